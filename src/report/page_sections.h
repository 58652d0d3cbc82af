#pragma once
// The page's sections, in its order. Each writes one <section> with a heading, readable without the
// script.

#include "report/html.h"
#include "report/view.h"

namespace assay::report {

void add_verdicts(const View& view, Html& html);  // a card a variant, a sentence a dimension
void add_heat_map(const View& view,
                  Html& html);  // variants x outcomes, coloured by difference over margin
void add_sizes(const View& view,
               Html& html);  // bits, zeros and bytes against the primary differences
// What was counted in each arm's file; no section where nothing was.
void add_files(const View& view, Html& html);
void add_flips(const View& view, Html& html);    // flipped items side by side
void add_groups(const View& view, Html& html);   // base, variant and difference by group
void add_results(const View& view, Html& html);  // every number of every result
void add_method(const View& view, Html& html);   // policy, tasks, controls, self-test, calibration
void add_provenance(const View& view, Html& html);  // hashes, settings, versions

// "1 finding", "28 findings"
std::string findings_text(const FileInspection& file);

// Any JSON value as readable HTML: objects as definition lists, lists of objects as tables.
void add_value(const Json& value, Html& html);

// What the script draws: variants, results with groups, flipped items.
Json page_data(const View& view);

// Id of a result's row in the table of all results; `index` into View::results.
std::string row_id(size_t index);

}  // namespace assay::report
