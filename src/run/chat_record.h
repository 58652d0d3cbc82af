#pragma once
// How a study put its questions to a chat model, as its results tell it.

#include "base/json.h"
#include "run/plan.h"

namespace assay {

// lm-eval's keys of a results file: system_instruction, system_instruction_sha,
// fewshot_as_multiturn, chat_template and chat_template_sha (of their UTF-8; null where there is
// none). The template is null where no task applies it; the instruction is the study's own.
Json lm_eval_chat_keys(const Plan& plan);

// The settings of one task in a study file's words; null where it applies no template.
Json chat_record(const ChatSettings& settings);

// SHA-256 of the template that some task of the study applies; null where none does.
Json chat_template_hash(const Plan& plan);

}  // namespace assay
