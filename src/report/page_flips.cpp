#include <algorithm>

#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

constexpr size_t kShownWithoutScript = 60;

void add_choice(const FlippedItem& item, size_t i, Html& html) {
  const auto log_likelihood = [&](const Answer& answer) {
    return i < answer.log_likelihoods.size() ? number_text(answer.log_likelihoods[i])
                                             : std::string("–");
  };
  const auto picked = [&](const Answer& answer) {
    return answer.prediction == static_cast<int64_t>(i);
  };
  html << "<tr><th scope=\"row\"><bdi>" << item.choices[i] << "</bdi>"
       << (static_cast<int64_t>(i) == item.target
               ? Literal(" <span class=\"tag target\">target</span>")
               : Literal(""))
       << "</th><td class=\"num" << (picked(item.base) ? Literal(" pick") : Literal("")) << "\">"
       << log_likelihood(item.base)
       << (picked(item.base) ? Literal(" ◀<span class=\"sr\">chosen</span>") : Literal(""))
       << "</td><td class=\"num" << (picked(item.changed) ? Literal(" pick") : Literal("")) << "\">"
       << log_likelihood(item.changed)
       << (picked(item.changed) ? Literal(" ◀<span class=\"sr\">chosen</span>") : Literal(""))
       << "</td></tr>\n";
}

void add_item(const FlippedItem& item, Html& html) {
  html << "<article class=\"flip\"><p class=\"facts\"><b>" << item.variant << "</b> · "
       << item.task;
  if (!item.group.empty()) html << " · " << item.group;
  html << " · item " << item.id << "</p>\n";
  if (item.sensitive) html << "<details><summary>Text marked as sensitive</summary>\n";
  html << "<blockquote><bdi>" << item.context
       << "</bdi></blockquote>\n<table><thead><tr><th scope=\"col\">choice</th>"
       << "<th scope=\"col\" class=\"num\">base</th><th scope=\"col\" "
          "class=\"num\">variant</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < item.choices.size(); ++i) add_choice(item, i, html);
  html << "</tbody></table>" << (item.sensitive ? Literal("</details>") : Literal(""))
       << "</article>\n";
}

}  // namespace

void add_flips(const View& view, Html& html) {
  html
      << "<section id=\"flips\" aria-labelledby=\"flips-h\"><h2 id=\"flips-h\">Flipped items</h2>\n"
      << "<p>Items on which base and variant chose differently, with the log-likelihood (nats) of "
         "each choice. "
      << "◀ marks what was chosen.</p>\n<div id=\"flips-filters\" class=\"filters "
         "script-only\"></div>\n"
      << "<p id=\"flips-count\" role=\"status\">";
  const size_t shown = std::min(view.flipped.size(), kShownWithoutScript);
  html << count_text(static_cast<int64_t>(shown)) << " of "
       << count_text(static_cast<int64_t>(view.flipped.size())) << " stored items ("
       << count_text(view.num_flipped)
       << " flipped in all)</p>\n<div id=\"flips-list\" class=\"flip-list\">\n";
  for (size_t i = 0; i < shown; ++i) add_item(view.flipped[i], html);
  html << "</div><p class=\"script-only\"><button type=\"button\" id=\"flips-more\">Show "
          "more</button></p></section>\n";
}

}  // namespace assay::report
