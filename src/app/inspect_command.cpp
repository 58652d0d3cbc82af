#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "app/commands.h"
#include "base/error.h"
#include "model/checkpoint.h"
#include "model/inspect.h"

namespace assay::app {

void add_inspect_command(CLI::App& program) {
  struct Arguments {
    std::string model, against;
    bool json = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  auto* command = program.add_subcommand(
      "inspect",
      "what is in a checkpoint: types, bits, counted zeros, tokenizer, provenance, contradictions");
  command->add_option("model", arguments->model, "folder, .gguf file, or name")->required();
  command->add_option("--against", arguments->against,
                      "the checkpoint that it was made of: how far every tensor is from it");
  command->add_flag("--json", arguments->json, "one JSON object instead of text");
  command->callback([arguments] {
    std::optional<Checkpoint> base;
    if (!arguments->against.empty()) base = Checkpoint::open(resolve_model(arguments->against));
    const auto inspection =
        inspect(resolve_model(arguments->model), {.against = base ? &*base : nullptr});
    const auto& difference = inspection.difference;
    require(!difference || !difference->tensors.empty(), "no tensor is in both ",
            inspection.description, " and ", arguments->against);
    if (!arguments->json) {
      std::cout << inspection_to_text(inspection) << (difference ? to_text(*difference) : "");
      return;
    }
    Json json = inspection_to_json(inspection);
    if (difference) json["against"] = to_json(*difference);
    std::cout << json.dump(2) << '\n';
  });
}

}  // namespace assay::app
