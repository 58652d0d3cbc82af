// node build.mjs OUTPUT.cpp: bundles src/main.ts and src/style.css and writes them, with the SHA-256 that the page's
// Content-Security-Policy names, as the source file behind src/report/page_assets.h.
import {createHash} from "node:crypto";
import {writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2];
if (!target) throw new Error("usage: node build.mjs OUTPUT.cpp");

async function bundle(entry) {
  const result = await build({
    entryPoints: [join(here, entry)],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "ascii",
    legalComments: "none",
    logLevel: "warning",
  });
  return result.outputFiles[0].contents;
}

// In an HTML script or style element the text ends at its end tag, and "<!--" followed by "<script" hides that end.
function requireEmbeddable(name, bytes) {
  const text = Buffer.from(bytes).toString("latin1");
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`${name}: the bundle holds markup and cannot be embedded`);
}

// String literals of at most 8 000 bytes; what is not plain ASCII becomes three octal digits.
function literals(bytes) {
  const lines = [];
  for (let start = 0; start < bytes.length; start += 8000) {
    let line = "";
    for (const byte of bytes.subarray(start, start + 8000)) {
      const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c && byte !== 0x3f;
      line += plain ? String.fromCharCode(byte) : "\\" + byte.toString(8).padStart(3, "0");
    }
    lines.push(`    "${line}"`);
  }
  return lines.join("\n");
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("base64");
const script = await bundle("src/main.ts");
const style = await bundle("src/style.css");
requireEmbeddable("script", script);
requireEmbeddable("style", style);
writeFileSync(
    target,
    `// Made by web/build.mjs from web/src; not kept in the repository.
#include "report/page_assets.h"

namespace assay::report {
namespace {

constexpr char kScript[] =
${literals(script)};
constexpr char kStyle[] =
${literals(style)};

}  // namespace

PageAssets page_assets() {
  return {{kScript, sizeof(kScript) - 1}, {kStyle, sizeof(kStyle) - 1},
          "${sha256(script)}", "${sha256(style)}"};
}

}  // namespace assay::report
`);
