# cmake -DENGINE=program -DOUT=source -P EmbedHelp.cmake: the program's help as a C++ string (src/app/engine_help.h).
execute_process(COMMAND ${ENGINE} --help OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
file(WRITE ${OUT} "#include \"app/engine_help.h\"\nnamespace assay::app {\n"
  "const char* const kEngineHelp = R\"HELP(${help})HELP\";\n}\n")
