#include <iostream>
#include <memory>
#include <string>

#include "app/commands.h"
#include "model/checkpoint.h"
#include "model/inspect.h"

namespace assay::app {

void add_inspect_command(CLI::App& program) {
  struct Arguments {
    std::string model;
    bool json = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  auto* command = program.add_subcommand(
      "inspect", "what is in a checkpoint: types, bits, counted zeros, tokenizer, provenance");
  command->add_option("model", arguments->model, "folder, .gguf file, or name")->required();
  command->add_flag("--json", arguments->json, "one JSON object instead of text");
  command->callback([arguments] {
    const auto inspection = inspect(resolve_model(arguments->model));
    if (arguments->json) {
      std::cout << inspection_to_json(inspection).dump(2) << '\n';
    } else {
      std::cout << inspection_to_text(inspection);
    }
  });
}

}  // namespace assay::app
