#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

thread_local bool inside_parallel_for = false;

// One call of parallel_for; lives on the stack of its caller, who leaves only when no worker holds
// it.
struct Job {
  int64_t count;
  const std::function<void(int64_t)>& fn;
  std::atomic<int64_t> next = 0;
  std::mutex mutex{};
  std::exception_ptr error{};

  void work() {
    inside_parallel_for = true;
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      try {
        fn(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next.store(count);
      }
    }
    inside_parallel_for = false;
  }
};

int64_t usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

class ThreadPool {
 public:
  static ThreadPool& instance() {
    static ThreadPool pool;
    return pool;
  }

  ~ThreadPool() { stop_workers(); }

  int64_t size() const { return size_; }

  void resize(int64_t count) {
    const std::lock_guard lock(run_mutex_);
    stop_workers();
    size_ = count;
  }

  void run(int64_t count, const std::function<void(int64_t)>& fn) {
    const std::lock_guard run_lock(run_mutex_);  // one job at a time, whoever calls
    start_workers();
    Job job{count, fn};
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      ++generation_;
    }
    wake_.notify_all();
    job.work();
    {
      std::unique_lock lock(mutex_);
      job_ = nullptr;  // a worker that has not woken yet finds nothing
      idle_.wait(lock, [&] { return num_working_ == 0; });
    }
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  ThreadPool() : size_(usable_processors()) {}

  void start_workers() {
    if (!workers_.empty() || size_ == 1) return;
    stopping_ = false;
    for (int64_t i = 1; i < size_; ++i) workers_.emplace_back([this] { work_until_stopped(); });
  }

  void stop_workers() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
  }

  void work_until_stopped() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || (job_ && generation_ != seen); });
      if (stopping_) return;
      seen = generation_;
      Job* job = job_;
      ++num_working_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--num_working_ == 0) idle_.notify_one();
    }
  }

  std::mutex run_mutex_;
  std::atomic<int64_t> size_;
  std::vector<std::thread> workers_;

  std::mutex mutex_;  // guards all below
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  uint64_t generation_ = 0;
  int64_t num_working_ = 0;
  bool stopping_ = false;
};

}  // namespace

int64_t num_threads() { return ThreadPool::instance().size(); }

void set_num_threads(int64_t count) {
  require(count >= 1 && count <= 1024, "threads must be in [1, 1024], got ", count);
  ThreadPool::instance().resize(count);
}

void parallel_for(int64_t count, const std::function<void(int64_t index)>& fn) {
  if (count <= 0) return;
  if (count == 1 || inside_parallel_for) {
    for (int64_t i = 0; i < count; ++i) fn(i);
    return;
  }
  ThreadPool::instance().run(count, fn);
}

}  // namespace assay
