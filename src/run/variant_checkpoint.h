#pragma once
// The weights of a variant: compressed into the output folder, or a checkpoint that was compressed
// elsewhere.

#include "base/progress.h"
#include "compress/shared_work.h"
#include "run/output_folder.h"
#include "run/plan.h"

namespace assay {

// What an arm's weights are and how it computes, known before they are made. Of the base and of a
// checkpoint made elsewhere: the hash; of a method's result: the base's hash, the method with every
// setting, the calibration's source and size. With each, the 8-bit product and the KV cache that
// the checkpoint's provenance asks for.
Json base_identity(const Plan& plan);
Json variant_identity(const Plan& plan, const PlannedVariant& variant);

// Compresses into the output folder unless an earlier run finished that; checks zeros and levels
// against the report. `shared`: of the study's variants.
Checkpoint variant_checkpoint(const Plan& plan, const PlannedVariant& variant,
                              const OutputFolder& output, SharedWork& shared, Progress& progress);

// The report of its compression is there (always, for a checkpoint made elsewhere).
bool is_compressed(const PlannedVariant& variant, const OutputFolder& output);

// Deletes the weights; what compression reported stays.
void remove_variant_checkpoint(const PlannedVariant& variant, const OutputFolder& output);

}  // namespace assay
