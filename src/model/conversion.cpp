#include "model/conversion.h"

#include "base/version.h"

namespace assay {

Json converted_provenance(const Checkpoint& checkpoint, const std::string& dtype) {
  Json provenance = checkpoint.provenance();
  if (!provenance.is_object()) provenance = Json::object();
  if (!provenance.contains("assay_version")) provenance["assay_version"] = version();
  provenance["converted_from"] = {{"description", checkpoint.description()},
                                  {"weights_sha256", checkpoint.weights_hash()},
                                  {"assay_version", version()}};
  provenance["save_dtype"] = dtype;
  return provenance;
}

}  // namespace assay
