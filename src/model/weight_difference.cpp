#include "model/weight_difference.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/thread_pool.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

TensorDifference difference_of(const std::string& name, const at::Tensor& tensor,
                               const at::Tensor& base) {
  const auto w = tensor.contiguous(), b = base.contiguous();
  const float *x = w.const_data_ptr<float>(), *y = b.const_data_ptr<float>();
  TensorDifference result{.name = name, .weights = w.numel()};
  double errors = 0, squares = 0, base_squares = 0, products = 0;
  for (int64_t i = 0; i < w.numel(); ++i) {
    const double here = x[i], there = y[i], error = here - there;
    result.changed += error != 0;
    result.max_error = std::max(result.max_error, std::abs(error));
    errors += error * error;
    squares += here * here;
    base_squares += there * there;
    products += here * there;
  }
  if (base_squares > 0) result.relative_error = std::sqrt(errors / base_squares);
  const double lengths = std::sqrt(squares * base_squares);
  if (lengths > 0) result.cosine = products / lengths;
  return result;
}

}  // namespace

WeightDifference weight_difference(const Checkpoint& checkpoint, const Checkpoint& base) {
  WeightDifference result{.base = base.description(), .tensors = {}, .not_compared = {}};
  std::map<std::string, std::vector<int64_t>> base_shapes;
  for (const TensorRecord& record : base.tensors()) base_shapes[record.name] = record.shape;
  std::vector<std::string> names;
  for (const TensorRecord& record : checkpoint.tensors()) {
    const auto found = base_shapes.find(record.name);
    const bool is_comparable = found != base_shapes.end() && found->second == record.shape;
    (is_comparable ? names : result.not_compared).push_back(record.name);
    if (found != base_shapes.end()) base_shapes.erase(found);
  }
  for (const auto& [name, shape] : base_shapes) result.not_compared.push_back(name);
  require(!names.empty(), "no tensor is in both ", checkpoint.description(), " and ", result.base);
  result.tensors.resize(names.size());
  parallel_for(static_cast<int64_t>(names.size()), [&](int64_t i) {
    const auto& name = names[static_cast<size_t>(i)];
    result.tensors[static_cast<size_t>(i)] =
        difference_of(name, checkpoint.tensor_as_stored(name), base.tensor_as_stored(name));
  });
  return result;
}

Json to_json(const WeightDifference& difference) {
  Json tensors = Json::array();
  for (const TensorDifference& t : difference.tensors) {
    tensors.push_back({{"tensor", t.name},
                       {"weights", t.weights},
                       {"changed", t.changed},
                       {"relative_error", t.relative_error},
                       {"max_error", t.max_error},
                       {"cosine", t.cosine}});
  }
  return {
      {"base", difference.base}, {"tensors", tensors}, {"not_compared", difference.not_compared}};
}

std::string to_text(const WeightDifference& difference) {
  struct Role {
    std::string name;
    int64_t num_tensors = 0, weights = 0, changed = 0;
    double errors = 0;
    const TensorDifference* worst = nullptr;
  };
  std::vector<Role> roles;
  for (const TensorDifference& t : difference.tensors) {
    const auto name = role_of(t.name);
    auto role = std::ranges::find(roles, name, &Role::name);
    if (role == roles.end()) {
      roles.push_back({.name = name});
      role = roles.end() - 1;
    }
    ++role->num_tensors;
    role->weights += t.weights;
    role->changed += t.changed;
    role->errors += t.relative_error;
    const bool is_worse = role->worst == nullptr || t.relative_error > role->worst->relative_error;
    if (is_worse) role->worst = &t;
  }
  std::string text =
      fmt::format("\n  against {}\n  {:<32}{:>8}{:>10}{:>12}{:>12}  {}\n", difference.base,
                  "tensor", "tensors", "changed", "mean error", "worst", "where");
  for (const Role& role : roles) {
    const double changed =
        static_cast<double>(role.changed) / static_cast<double>(std::max<int64_t>(role.weights, 1));
    text +=
        fmt::format("  {:<32}{:>8}{:>10.4f}{:>12.5f}{:>12.5f}  {}\n", role.name, role.num_tensors,
                    changed, role.errors / static_cast<double>(role.num_tensors),
                    role.worst->relative_error, role.worst->name);
  }
  for (const std::string& name : difference.not_compared)
    text += "  not compared: " + name + " is not in both in one shape\n";
  return text;
}

}  // namespace assay
