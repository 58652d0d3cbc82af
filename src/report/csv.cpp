#include "report/csv.h"

#include <fmt/format.h>

#include <cmath>

#include "report/text.h"

namespace assay::report {
namespace {

std::string quoted(const std::string& raw) {
  std::string text = clean_text(raw);
  if (text.empty()) return "";
  if (std::string_view("=+-@\t").find(text[0]) != std::string_view::npos) text.insert(0, "'");
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string digits(double value) { return std::isnan(value) ? "" : fmt::format("{}", value); }

std::string bounds(const Estimate& e) {
  return digits(e.value) + "," + digits(e.low) + "," + digits(e.high);
}

}  // namespace

std::string csv_of(const View& view) {
  std::string out =
      "variant,method,settings,control,bits,sparsity,size_bytes,task,outcome,dimension,primary,"
      "verdict,reason,"
      "base,base_low,base_high,variant_value,variant_low,variant_high,difference,difference_low,"
      "difference_high,"
      "margin,mde,p,p_adjusted,test,num_items,num_clusters,effective_n,icc,largest_cluster_share,"
      "unscored_base,"
      "unscored_variant,both_right,base_only,variant_only,both_wrong,changed,mcnemar_p,mean_delta_"
      "log_likelihood,"
      "max_delta_log_likelihood\r\n";
  for (const Variant& v : view.variants) {
    for (const Result* r : results_of(view, v.name)) {
      const auto flips = [&](int64_t n) {
        return r->has_flips ? std::to_string(n) : std::string();
      };
      out += fmt::format(
          "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{"
          "},{},{},{},{},{},{}\r\n",
          quoted(v.name), quoted(v.method), quoted(v.settings), v.control, digits(v.bits),
          digits(v.sparsity), digits(v.size_bytes), quoted(r->task), quoted(r->outcome),
          quoted(r->dimension), r->primary ? "primary" : "exploratory", verdict_name(r->verdict),
          quoted(r->reason), bounds(r->base), bounds(r->variant_value), bounds(r->difference),
          digits(r->margin), digits(r->mde), digits(r->p), digits(r->p_adjusted), quoted(r->method),
          r->num_items, r->num_clusters, digits(r->effective_n), digits(r->icc),
          digits(r->largest_cluster_share), r->unscored_base, r->unscored_variant,
          flips(r->both_right), flips(r->base_only), flips(r->variant_only), flips(r->both_wrong),
          flips(r->changed), digits(r->mcnemar_p), digits(r->mean_delta_log_likelihood),
          digits(r->max_delta_log_likelihood));
    }
  }
  return out;
}

}  // namespace assay::report
