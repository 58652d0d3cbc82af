#pragma once
// A checkpoint whose linears are quantized, in another packed format: code for code where the new
// format can say what the old one did. Nothing is quantized here; FP8 formats alone round.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint.h"
#include "model/export_folder.h"
#include "model/packed_form.h"
#include "model/storage_loss.h"

namespace assay {

struct PackedConversion {
  PackedForm form;
  std::vector<std::string> unsaid;  // what the source says of its linears and the format cannot
};

// The type of all tensors that are no linears of blocks: "float32" where they differ, or are of
// another.
std::string dtype_of_the_rest(const Checkpoint& checkpoint);

// Reads every linear once. Error(kBadInput) before anything is written: linears without codes
// (named) for a format that needs them, linears of different kinds (both named), or what the format
// cannot hold (model/packed_form.h).
PackedConversion plan_packed_conversion(const Checkpoint& checkpoint, std::string_view format,
                                        const std::string& dtype);

// Writes the folder, opens it, and compares what it holds: losses by stored type. Errors as
// PackedExport.
std::map<std::string, StorageLoss> export_packed(const Checkpoint& checkpoint,
                                                 const PackedForm& form,
                                                 const std::filesystem::path& folder,
                                                 ExistingFolder existing,
                                                 const ExportProgress& on_tensor = nullptr);

}  // namespace assay
