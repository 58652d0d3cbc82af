#pragma once
// The tasks, each in its own file of this folder.

#include "tasks/task.h"

namespace assay {

Task perplexity_task();
Task stereoqa_task();
Task bbq_task();
Task dialect_task();
Task stereoset_task();
Task piqa_task();
Task unqover_task();

}  // namespace assay
