#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace assay {
namespace {

constexpr auto kLiveInterval = std::chrono::milliseconds(200);
constexpr auto kPlainInterval = std::chrono::seconds(10);
constexpr int kBarWidth = 24;

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::lround(std::max(0.0, seconds)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(double total_units) : live_(::isatty(STDERR_FILENO) == 1), total_(total_units) {}

Progress::~Progress() { clear_line(); }

void Progress::skip(double units) {
  done_ += units;
  skipped_ += units;
}

void Progress::add(double units) {
  done_ += units;
  draw(false);
}

void Progress::stage(const std::string& text) {
  stage_ = text;
  draw(live_);
}

void Progress::note(const std::string& line) {
  clear_line();
  fmt::print(stderr, "{}\n", line);
  if (live_) draw(true);
}

void Progress::draw(bool is_forced) {
  const auto now = Clock::now();
  const auto interval = live_ ? Clock::duration(kLiveInterval) : Clock::duration(kPlainInterval);
  if (!is_forced && now - last_drawn_ < interval) return;
  last_drawn_ = now;
  const double share = total_ > 0 ? std::clamp(done_ / total_, 0.0, 1.0) : 0;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double fresh = done_ - skipped_;
  const std::string left =
      fresh > 0 ? duration_text(seconds * (total_ - done_) / fresh) + " left" : "estimating";
  if (live_) {
    const auto filled = static_cast<size_t>(share * kBarWidth);
    fmt::print(stderr, "\r\x1b[K[{}{}] {:3.0f} %  {}  {}", std::string(filled, '='),
               std::string(kBarWidth - filled, ' '), share * 100, left, stage_);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{:3.0f} %  {}  {}\n", share * 100, left, stage_);
  }
}

void Progress::clear_line() const {
  if (live_) fmt::print(stderr, "\r\x1b[K");
}

}  // namespace assay
