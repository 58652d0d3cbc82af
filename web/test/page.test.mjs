// The report's page in a real browser: ASSAY_BINARY renders made-up summaries, Debian's Chromium shows them.
//   ASSAY_BINARY=build/release/bin/assay node --test web/test/page.test.mjs
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {pathToFileURL} from "node:url";
import {chromium} from "playwright-core";
import {kHostile, makeHostileSummary, makeSummary} from "./summary_fixture.mjs";

const kChromium = "/usr/bin/chromium";
const kFlags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const kTimeout = 180_000;  // ms; of one action on a machine that is busy with other tests
const skip = existsSync(kChromium) ? false : `no ${kChromium}`;

let folder;
let browser;
const summary = makeSummary();
const primary = summary.results.filter((r) => r.primary);

function render(name, content) {
  const results = join(folder, name);
  mkdirSync(results);
  writeFileSync(join(results, "summary.json"), JSON.stringify(content));
  execFileSync(process.env.ASSAY_BINARY, ["report", results], {stdio: ["ignore", "ignore", "inherit"]});
  return pathToFileURL(join(results, "report.html")).href;
}

let plain;
let hostile;
before(async () => {
  if (skip) return;
  assert.ok(process.env.ASSAY_BINARY, "ASSAY_BINARY must name the program");
  folder = mkdtempSync(join(tmpdir(), "assay-page-"));
  plain = render("plain", summary);
  hostile = render("hostile", makeHostileSummary());
  browser = await chromium.launch({executablePath: kChromium, args: kFlags, timeout: kTimeout});
});
after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, {recursive: true});
});

// Opens a page, runs `body`, and fails on any console error, exception, dialog or request but the page itself.
async function withPage(url, options, body) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  context.setDefaultTimeout(kTimeout);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("dialog", (dialog) => complaints.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on("request", (request) => request.url().split("#")[0] === url || complaints.push(`request: ${request.url()}`));
  try {
    await page.goto(url);
    await body(page);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const texts = (page, selector) => page.locator(selector).allInnerTexts();

test("the page shows verdicts, plots and numbers", {skip}, () => withPage(plain, {}, async (page) => {
  assert.equal(await page.title(), `${summary.study} – assay`);
  assert.match(await page.locator(".reference.quantized").innerText(), /dequantized Q4_1, not the published model/);
  assert.equal(await page.locator(".card").count(), summary.variants.length);
  assert.equal(await page.locator(".sentences li").count(), summary.sentences.length);
  assert.equal(await page.locator(".map tbody tr").count(), summary.variants.length);
  assert.equal(await page.locator("#results-table tbody tr").count(), summary.results.length);
  assert.equal(await page.locator("#files > .scroll tbody tr").count(), summary.variants.length + 1);
  assert.equal(await page.locator("#files div.finding").count(), 2);  // of the base and one variant
  assert.equal(await page.locator("#files div.finding").last().locator("li:visible").count(), 5);
  assert.equal(await page.locator(".card .finding").count(), 1);
  const outcomes = new Set(primary.map((r) => `${r.task} ${r.outcome}`));
  assert.equal(await page.locator("#sizes-plot svg").count(), outcomes.size);
  assert.equal(await page.locator("#sizes-plot svg").first().locator(".dots circle").count(), summary.variants.length);
  assert.equal(await page.locator("#groups-plot figure svg").count(), 2);
  assert.ok(await page.locator("#groups-plot [fill='url(#hatch-base)']").count() > 0, "few items are hatched");
}));

test("without the script every table still shows", {skip}, () =>
  withPage(plain, {javaScriptEnabled: false}, async (page) => {
    for (const selector of [".sentences li", ".map td", "#sizes table", "#files table", ".flip blockquote", "#results-table td",
      "#method table", "#provenance dl"]) {
      assert.ok(await page.locator(selector).first().isVisible(), selector);
    }
    await page.locator("#groups-table summary").click();
    assert.ok(await page.locator("#groups-table td").first().isVisible());
    assert.equal(await page.locator(".script-only:visible").count(), 0, "no empty plots or dead controls");
  }));

test("at phone width only tables scroll sideways", {skip}, async () => {
  for (const javaScriptEnabled of [true, false]) {
    for (const url of [plain, hostile]) {
      await withPage(url, {viewport: {width: 360, height: 740}, javaScriptEnabled}, async (page) => {
        const body = page.locator("body");
        const {width} = await body.boundingBox();
        assert.ok(width <= 360, `${width}`);
        await page.mouse.wheel(500, 0);
        await page.locator("footer").scrollIntoViewIfNeeded();
        const box = await page.locator("h1").boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= 360, "the page did not scroll sideways");
        if (javaScriptEnabled) assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
      });
    }
  }
});

test("filters choose among flipped items", {skip}, () => withPage(plain, {}, async (page) => {
  const items = summary.flipped_items.items;
  assert.equal(await page.locator(".flip").count(), 20);
  await page.getByRole("button", {name: "Show more"}).click();
  assert.equal(await page.locator(".flip").count(), 40);

  const filters = page.locator("#flips-filters");
  await filters.getByLabel("Variant").selectOption("rtn-3bit");
  const ofVariant = items.filter((f) => f.variant === "rtn-3bit");
  assert.equal(await page.locator(".flip").count(), ofVariant.length);
  assert.ok((await texts(page, ".flip .facts b")).every((name) => name === "rtn-3bit"));

  await filters.getByLabel("Task").selectOption("stereoqa");
  await filters.getByLabel("Group").selectOption("gender");
  await filters.getByLabel("Change").selectOption("lost");
  const matching = ofVariant.filter(
    (f) => f.task === "stereoqa" && f.group === "gender" && f.base_answer.prediction === f.target);
  assert.equal(await page.locator(".flip").count(), matching.length);
  assert.match(await page.locator("#flips-count").innerText(), new RegExp(`of ${matching.length} matching items`));
  assert.ok(matching.length > 0, "the fixture has such items");
}));

test("filters choose among results, and a cell of the map finds its row", {skip}, () =>
  withPage(plain, {}, async (page) => {
    await page.locator("#results-filters").getByLabel("Variant").selectOption("permuted");
    await page.locator("#results-filters").getByLabel("Outcomes").selectOption("primary");
    assert.equal(await page.locator("#results-table tbody tr:visible").count(),
      primary.filter((r) => r.variant === "permuted").length);
    await page.locator(".map tbody td a").first().click();  // a row that the filter hides
    const row = page.locator("tr:target");
    await row.waitFor({state: "visible"});  // the page shows it on hashchange, which follows the click
    assert.ok(await row.isVisible());
    assert.ok((await row.innerText()).includes(summary.results[0].variant));
  }));

test("the groups' plot follows its selection", {skip}, () => withPage(plain, {}, async (page) => {
  const label = () => page.locator("#groups-plot figure svg").first().getAttribute("aria-label");
  await page.locator("#groups-filters").getByLabel("Variant").selectOption("rtn-2bit");
  await page.locator("#groups-filters").getByLabel("Outcome").selectOption("stereoset stereotype_score");
  assert.equal(await label(), "stereoset stereotype_score by group, base and rtn-2bit");
}));

test("sensitive text is blurred until asked for", {skip}, () => withPage(plain, {}, async (page) => {
  const veil = page.locator(".veil").first();
  const content = veil.locator(".blurred");
  assert.notEqual(await content.evaluate((e) => getComputedStyle(e).filter), "none");
  assert.equal(await content.evaluate((e) => e.inert), true);
  await veil.getByRole("button").click();
  assert.equal(await veil.locator(".blurred").count(), 0);
  assert.equal(await veil.locator("button").count(), 0);
}));

test("print leaves controls out and colours in", {skip}, () => withPage(plain, {colorScheme: "dark"}, async (page) => {
  await page.emulateMedia({media: "print", colorScheme: "dark"});
  assert.equal(await page.locator("nav").isVisible(), false);
  assert.equal(await page.locator("#flips-filters").isVisible(), false);
  assert.equal(await page.locator("body").evaluate((e) => getComputedStyle(e).color), "rgb(0, 0, 0)");
  assert.equal(await page.locator("#map .scroll").evaluate((e) => getComputedStyle(e).overflowX), "visible");
  const pdf = await page.pdf({format: "A4"});
  const pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;
  assert.ok(pages >= 3 && pages <= 40, `${pages} pages`);
}));

// WCAG 2.1 contrast of every text on the page against the background behind it, in both schemes.
function poorContrast() {
  const channel = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const parse = (css) => css.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const background = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *:not(script, svg, svg *, option)")) {
    const hasText = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!hasText || !element.checkVisibility()) continue;
    const a = luminance(parse(getComputedStyle(element).color));
    const b = luminance(background(element));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) poor.push(`${element.tagName}.${element.className} ${contrast.toFixed(2)}`);
  }
  return [...new Set(poor)];
}

test("all text has a contrast of 4.5 in light and dark", {skip}, async () => {
  for (const colorScheme of ["light", "dark"]) {
    await withPage(plain, {colorScheme}, async (page) => {
      const shade = await page.locator("body").evaluate((e) => getComputedStyle(e).backgroundColor);
      assert.equal(Number(shade.match(/\d+/)[0]) < 128, colorScheme === "dark");
      assert.deepEqual(await page.evaluate(poorContrast), []);
    });
  }
});

test("structure serves keyboards and screen readers", {skip}, () => withPage(plain, {}, async (page) => {
  const faults = await page.evaluate(() => {
    const found = [];
    const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((h) => Number(h.tagName[1]));
    levels.forEach((level, i) => level - (levels[i - 1] ?? 0) > 1 && found.push(`heading ${i} skips a level`));
    if (levels.filter((l) => l === 1).length !== 1) found.push("not one h1");
    for (const th of document.querySelectorAll("th")) if (!th.scope) found.push(`th without scope: ${th.textContent}`);
    for (const box of document.querySelectorAll("select")) if (!box.labels.length) found.push("select without label");
    for (const svg of document.querySelectorAll("figure svg")) if (!svg.ariaLabel) found.push("plot without label");
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    if (new Set(ids).size !== ids.length) found.push("an id is used twice");
    for (const a of document.querySelectorAll("a[href^='#']")) {
      if (!document.getElementById(a.getAttribute("href").slice(1))) found.push(`dead link ${a.href}`);
    }
    return found;
  });
  assert.deepEqual(faults, []);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the verdicts");
}));

test("hostile text is text", {skip}, async () => {
  for (const javaScriptEnabled of [true, false]) {
    await withPage(hostile, {javaScriptEnabled}, async (page) => {
      const shown = await page.locator("body").innerText();
      for (const text of kHostile.filter((t) => !/[\u0000-\u001f\u2028-\u202e]/.test(t))) {
        assert.ok(shown.includes(text), text);
      }
      assert.ok(shown.includes("[U+202E]gnp.exe[U+2066] \uFFFD \uFFFD \uFFFD[31m"));
      for (const [selector, count] of [["script", 2], ["style", 1], ["img, iframe, object, base, form, link", 0]]) {
        assert.equal(await page.locator(selector).count(), count, selector);
      }
      assert.equal(await page.locator("a:not([href^='#'])").count(), 0);
    });
  }
  await withPage(hostile, {}, async (page) => {
    for (const more of await page.locator(".veil button").all()) await more.click();
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  });
});

test("the policy stops markup and scripts that a fault would let in", {skip}, async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(plain);
  const outcome = await page.evaluate(() => {
    const script = document.createElement("script");
    const tries = {};
    const attempt = (name, act) => {
      try {
        act();
        tries[name] = "allowed";
      } catch (error) {
        tries[name] = error.name;
      }
    };
    attempt("innerHTML", () => (document.body.innerHTML += "<b>x</b>"));
    attempt("script text", () => (script.text = "window.hacked = 1"));
    script.append("window.hacked = 1");
    document.body.append(script);
    return {...tries, hacked: window.hacked};
  });
  assert.deepEqual(outcome, {"innerHTML": "TypeError", "script text": "TypeError", hacked: undefined});
  assert.equal(await page.evaluate(() => fetch("http://127.0.0.1:9/").then(() => "sent", (e) => e.name)), "TypeError");
  await context.close();
});
