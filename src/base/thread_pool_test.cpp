#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

struct ThreadPoolTest : testing::Test {
  const int64_t before = num_threads();
  ~ThreadPoolTest() override { set_num_threads(before); }
};

TEST_F(ThreadPoolTest, CallsEveryIndexOnceForAnyNumberOfThreads) {
  for (const int64_t threads : {1, 2, 5}) {
    set_num_threads(threads);
    for (const int64_t count : {0, 1, 2, 3, 100, 1000}) {
      std::vector<int> calls(static_cast<size_t>(count),
                             0);  // not atomic: TSan sees a shared index
      parallel_for(count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
      EXPECT_EQ(calls, std::vector<int>(static_cast<size_t>(count), 1)) << threads << " threads";
    }
  }
}

TEST_F(ThreadPoolTest, ReallyRunsOnTwoThreads) {
  set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> waiting = 0;
  parallel_for(2, [&](int64_t) {
    {
      const std::lock_guard lock(mutex);
      ids.insert(std::this_thread::get_id());
    }
    // Neither call ends before the other has begun, so one thread cannot run both (given up after
    // 20 s).
    ++waiting;
    for (int i = 0; i < 20000 && waiting < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  EXPECT_EQ(ids.size(), 2u);
}

TEST_F(ThreadPoolTest, ThrowsTheErrorOfTheWorkAndStaysUsable) {
  set_num_threads(3);
  EXPECT_THROW(parallel_for(50, [](int64_t i) { require(i != 17, "index 17"); }), Error);
  std::atomic<int64_t> sum = 0;
  parallel_for(10, [&](int64_t i) { sum += i; });
  EXPECT_EQ(sum, 45);
}

TEST_F(ThreadPoolTest, NestedAndConcurrentCallsFinish) {
  set_num_threads(2);
  std::atomic<int64_t> calls = 0;
  const auto nested = [&] {
    parallel_for(8, [&](int64_t) { parallel_for(8, [&](int64_t) { ++calls; }); });
  };
  std::thread other(nested);
  nested();
  other.join();
  EXPECT_EQ(calls, 128);
}

TEST_F(ThreadPoolTest, RefusesAnImpossibleNumberOfThreads) {
  EXPECT_THROW(set_num_threads(0), Error);
  EXPECT_THROW(set_num_threads(1025), Error);
}

}  // namespace
}  // namespace assay
