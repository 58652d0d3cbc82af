#include <cmath>

#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json estimate(const Estimate& e) {
  return Json::array({number(e.value), number(e.low), number(e.high)});
}

Json group_json(const Group& g) {
  return {{"name", g.name},
          {"base", number(g.base)},
          {"variant", number(g.variant)},
          {"difference", estimate(g.difference)},
          {"effective_n", number(g.effective_n)},
          {"hatched", g.hatched}};
}

Json result_json(const Result& r, size_t index) {
  Json groups = Json::array();
  for (const Group& g : r.groups) groups.push_back(group_json(g));
  return {{"row", row_id(index)},
          {"variant", r.variant},
          {"task", r.task},
          {"outcome", r.outcome},
          {"dimension", r.dimension},
          {"primary", r.primary},
          {"verdict", verdict_name(r.verdict)},
          {"glyph", verdict_glyph(r.verdict)},
          {"difference", estimate(r.difference)},
          {"margin", number(margin_of_difference(r))},
          {"is_ratio", r.is_ratio},
          {"effect", effect_text(r)},
          {"groups", groups}};
}

Json answer_json(const Answer& a) {
  Json values = Json::array();
  for (const double value : a.log_likelihoods) values.push_back(number(value));
  return {{"prediction", a.prediction}, {"log_likelihoods", values}};
}

Json flipped_json(const FlippedItem& f) {
  return {{"variant", f.variant},
          {"task", f.task},
          {"id", f.id},
          {"group", f.group},
          {"context", f.context},
          {"choices", f.choices},
          {"target", f.target},
          {"base", answer_json(f.base)},
          {"changed", answer_json(f.changed)},
          {"sensitive", f.sensitive}};
}

}  // namespace

Json page_data(const View& view) {
  Json data = {{"variants", Json::array()},
               {"results", Json::array()},
               {"flipped", Json::array()},
               {"num_flipped", view.num_flipped}};
  for (const Variant& v : view.variants) {
    data["variants"].push_back({{"name", v.name},
                                {"control", v.control},
                                {"bits", number(v.bits)},
                                {"size_bytes", number(v.size_bytes)},
                                {"sparsity", number(v.sparsity)}});
  }
  for (size_t i = 0; i < view.results.size(); ++i)
    data["results"].push_back(result_json(view.results[i], i));
  for (const FlippedItem& f : view.flipped) data["flipped"].push_back(flipped_json(f));
  return data;
}

}  // namespace assay::report
