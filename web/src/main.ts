// The page is complete without this script: it adds plots, and filters over what the tables already say.

import {readData} from "./data";
import {showFlips} from "./flips";
import {showGroups} from "./groups";
import {showResults} from "./results";
import {showSizes} from "./sizes";

const data = readData();
document.documentElement.classList.add("script");
for (const show of [showSizes, showFlips, showGroups, showResults]) {
  try {
    show(data);
  } catch (error) {  // one section's fault must not take the others with it; the tables stand
    console.error(error);
  }
}
