#include "model/export.h"

#include <ATen/ATen.h>
#include <stdlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "io/safetensors_writer.h"
#include "model/stored_tensor.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct ExportDtype {
  std::string_view name, stored;
  at::ScalarType type = at::kFloat;
};

constexpr std::array kExportDtypes{ExportDtype{"float32", "F32", at::kFloat},
                                   ExportDtype{"bfloat16", "BF16", at::kBFloat16},
                                   ExportDtype{"float16", "F16", at::kHalf}};

const ExportDtype& export_dtype(const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& dtype : kExportDtypes) {
    if (dtype.name == name) return dtype;
    names.push_back(dtype.name);
  }
  fail(ErrorKind::kBadInput, "cannot save in dtype '", name, "'", suggest(name, names));
}

void check_target(const fs::path& target, ExistingFolder existing) {
  if (!fs::exists(target)) return;
  require(fs::is_directory(target), target.string(), ": exists and is not a folder");
  if (fs::is_empty(target)) return;
  require(existing == ExistingFolder::kReplace, target.string(),
          ": the folder is not empty (--overwrite replaces a checkpoint)");
  require(fs::exists(target / "config.json"), target.string(),
          ": not empty and no checkpoint (no config.json), so it is not replaced");
}

// A new folder beside the target, so that the last step is a rename within one file system.
fs::path make_temporary(const fs::path& target) {
  auto parent = target.parent_path();
  if (parent.empty()) parent = ".";
  std::error_code error;
  fs::create_directories(parent, error);
  require(!error, parent.string(), ": cannot create: ", error.message());
  auto name = (parent / ("." + target.filename().string() + ".XXXXXX")).string();
  require(::mkdtemp(name.data()) != nullptr, target.string(),
          ": cannot create: ", std::strerror(errno));
  fs::permissions(name, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                            fs::perms::others_read | fs::perms::others_exec);
  return name;
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  require(!error, to.string(), ": cannot create: ", error.message());
}

}  // namespace

struct FolderExport::State {
  fs::path target, temporary;
  ModelConfig config;
  ExportDtype dtype;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::optional<SafetensorsWriter> weights;
};

FolderExport::FolderExport(const fs::path& target, const ModelConfig& config,
                           const std::string& dtype, ExistingFolder existing)
    : state_(std::make_unique<State>()) {
  state_->dtype = export_dtype(dtype);
  state_->config = config;
  // "out/" names the folder "out".
  state_->target = target.has_filename() ? target : target.parent_path();
  check_target(state_->target, existing);
  std::vector<TensorDeclaration> declared;
  for (const auto& [name, shape] : all_tensors(config)) {
    state_->shapes.emplace(name, shape);
    declared.push_back({name, dtype_named(state_->dtype.stored), {shape.begin(), shape.end()}});
  }
  state_->temporary = make_temporary(state_->target);
  try {
    state_->weights.emplace(state_->temporary / "model.safetensors", std::move(declared));
  } catch (...) {
    fs::remove_all(state_->temporary);  // no destructor runs after a constructor that throws
    throw;
  }
}

FolderExport::~FolderExport() {
  if (state_->temporary.empty()) return;
  state_->weights.reset();
  std::error_code ignored;  // what is left is a folder with a temporary name
  fs::remove_all(state_->temporary, ignored);
}

void FolderExport::write(const std::string& name, const at::Tensor& tensor) {
  const auto shape = state_->shapes.find(name);
  if (shape == state_->shapes.end() || tensor.sizes() != at::IntArrayRef(shape->second)) {
    fail(ErrorKind::kInternal, "export: '", name, "' of shape ", tensor.sizes(),
         " is no tensor of this model");
  }
  const auto stored = tensor.detach().to(at::kCPU, state_->dtype.type).contiguous();
  require_finite(stored, name);
  state_->weights->write(name,
                         {static_cast<const std::byte*>(stored.const_data_ptr()), stored.nbytes()});
}

void FolderExport::commit(const Json& tokenizer_json, const Json& tokenizer_config,
                          const Json& provenance) {
  state_->weights->commit();
  const auto write_json = [&](const char* name, const Json& json) {
    write_file_atomic(state_->temporary / name, json.dump(2) + "\n");
  };
  write_json("config.json", config_to_json(state_->config, std::string(state_->dtype.name)));
  write_json("tokenizer.json", tokenizer_json);
  write_json("tokenizer_config.json", tokenizer_config);
  write_json("assay_provenance.json", provenance);
  // rename() replaces an empty folder by itself; a full one steps aside first.
  const auto& target = state_->target;
  const bool replaces = fs::exists(target) && !fs::is_empty(target);
  const fs::path old = state_->temporary.string() + ".old";
  if (replaces) rename_or_fail(target, old);
  rename_or_fail(state_->temporary, target);
  state_->temporary.clear();
  sync_folder(target.has_parent_path() ? target.parent_path() : ".");
  if (replaces) fs::remove_all(old);
}

}  // namespace assay
