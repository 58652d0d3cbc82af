#include "compress/block_journal.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/free_disk.h"
#include "base/hash.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// `written` is told the index of each tensor that is in the file.
void write_tensors(const fs::path& path, const NamedTensors& tensors,
                   const std::map<std::string, std::string>& metadata,
                   const std::function<void(size_t)>& written = {}) {
  std::vector<TensorDeclaration> declared;
  for (const auto& [name, tensor] : tensors) {
    TensorDeclaration declaration{name, dtype_named("F32"), {}};
    for (const int64_t size : tensor.sizes()) {
      declaration.shape.push_back(static_cast<uint64_t>(size));
    }
    declared.push_back(std::move(declaration));
  }
  SafetensorsWriter writer(path, std::move(declared), metadata);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto values = tensors[i].second.contiguous();
    writer.write(tensors[i].first, bytes_of(values));
    if (written) written(i);
  }
  writer.commit();
}

at::Tensor tensor_of(const SafetensorsFile& file, const SafetensorsTensor& stored) {
  std::vector<int64_t> shape;
  for (const uint64_t size : stored.shape) shape.push_back(static_cast<int64_t>(size));
  auto tensor = at::empty(shape, at::kFloat);
  const auto bytes = file.bytes(stored);
  require(bytes.size() == tensor.nbytes(), stored.name, ": not float32");
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(tensor.mutable_data_ptr()));
  return tensor;
}

const SafetensorsTensor& named(const SafetensorsFile& file, const std::string& name) {
  for (const SafetensorsTensor& stored : file.header.tensors) {
    if (stored.name == name) return stored;
  }
  fail(ErrorKind::kCorruptFile, "no tensor ", name);
}

std::string metadata_of(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.header.metadata.find(key);
  if (found == file.header.metadata.end()) fail(ErrorKind::kCorruptFile, "no metadata ", key);
  return found->second;
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  require(!error, path.string(), ": cannot remove: ", error.message());
}

}  // namespace

BlockJournal::BlockJournal(fs::path folder, const std::string& identity)
    : folder_(std::move(folder)), identity_(sha256_hex(identity)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  require(!error, folder_.string(), ": cannot make this folder: ", error.message());
  while (is_ours(block_file(num_finished_))) ++num_finished_;
  std::set<fs::path> kept;
  for (int64_t layer = 0; layer < num_finished_; ++layer) kept.insert(block_file(layer));
  if (num_finished_ > 0 && is_ours(states_file(num_finished_ - 1))) {
    kept.insert(states_file(num_finished_ - 1));
  }
  if (is_ours(gradients_file())) kept.insert(gradients_file());
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (!kept.contains(entry.path())) remove_file(entry.path());
  }
}

// A file that another compression wrote, or that is not whole, ends what is finished.
bool BlockJournal::is_ours(const fs::path& path) const {
  if (!fs::exists(path)) return false;
  try {
    return metadata_of(open_safetensors(path), "identity") == identity_;
  } catch (const Error&) {
    return false;
  }
}

void BlockJournal::require_room(int64_t bytes) const {
  int64_t there = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    there += static_cast<int64_t>(entry.file_size());
  }
  const auto megabytes = [](int64_t count) { return static_cast<double>(count) / 1e6; };
  const int64_t missing = bytes - there, free = free_disk(folder_);
  require(missing <= free, folder_.string(), ": ",
          fmt::format("what a killed run would go on from may take {:.0f} MB more, {:.0f} MB are "
                      "free; --journal never does without",
                      megabytes(missing), megabytes(free)));
}

bool BlockJournal::has_states() const {
  return num_finished_ > 0 && fs::exists(states_file(num_finished_ - 1));
}

void BlockJournal::clear() {
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path() != gradients_file()) remove_file(entry.path());
  }
  num_finished_ = 0;
}

std::shared_ptr<const GradientStore> BlockJournal::gradients() const {
  const fs::path path = gradients_file();
  if (!fs::exists(path)) return nullptr;
  return in_context(path.string(),
                    [&] { return std::make_shared<GradientStore>(open_safetensors(path)); });
}

void BlockJournal::keep(const GradientStore& gradients) const {
  gradients.write(gradients_file(), {{"identity", identity_}});
}

fs::path BlockJournal::block_file(int64_t layer) const {
  return folder_ / fmt::format("block-{:05}.safetensors", layer);
}

fs::path BlockJournal::states_file(int64_t layer) const {
  return folder_ / fmt::format("states-{:05}.safetensors", layer);
}

fs::path BlockJournal::gradients_file() const { return folder_ / "gradients.safetensors"; }

FinishedBlock BlockJournal::block(int64_t layer) const {
  const fs::path path = block_file(layer);
  return in_context(path.string(), [&] {
    const SafetensorsFile file = open_safetensors(path);
    const Json order = parse_intact_json(metadata_of(file, "order"), "order");
    FinishedBlock block;
    block.report = compression_report(parse_intact_json(metadata_of(file, "report"), "report"));
    for (const Json& name : order) {
      const auto of_name = name.get<std::string>();
      block.tensors.emplace_back(of_name, tensor_of(file, named(file, of_name)));
    }
    return block;
  });
}

void BlockJournal::read_states(std::vector<CalibrationBatch>& batches) const {
  const fs::path path = states_file(num_finished_ - 1);
  in_context(path.string(), [&] {
    const SafetensorsFile file = open_safetensors(path);
    for (size_t i = 0; i < batches.size(); ++i) {
      const SafetensorsTensor& stored = named(file, std::to_string(i));
      const auto states = tensor_of(file, stored);
      if (states.sizes() != batches[i].hidden.sizes()) {
        fail(ErrorKind::kCorruptFile, "states of batch ", i, " are ", states.sizes(), ", expected ",
             batches[i].hidden.sizes());
      }
      batches[i].hidden.copy_(states);
      let_go(batches[i]);
      file.mapping->let_go(file.bytes(stored));
    }
  });
}

void BlockJournal::add(const FinishedBlock& block, const std::vector<CalibrationBatch>& batches) {
  if (!batches.empty()) {
    NamedTensors states;
    for (size_t i = 0; i < batches.size(); ++i) {
      states.emplace_back(std::to_string(i), batches[i].hidden);
    }
    write_tensors(states_file(num_finished_), states, {{"identity", identity_}},
                  [&](size_t i) { let_go(batches[i]); });
  }
  Json order = Json::array();
  for (const auto& [name, tensor] : block.tensors) order.push_back(name);
  write_tensors(
      block_file(num_finished_), block.tensors,
      {{"identity", identity_}, {"order", order.dump()}, {"report", to_json(block.report).dump()}});
  if (num_finished_ > 0) remove_file(states_file(num_finished_ - 1));
  ++num_finished_;
}

void remove_block_journal(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  require(!error, folder.string(), ": cannot remove: ", error.message());
}

}  // namespace assay
