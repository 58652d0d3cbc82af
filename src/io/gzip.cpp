#include "io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

struct InflateEnd {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, std::string_view where, uint64_t max_bytes) {
  require_intact(is_gzip(bytes), where, ": not a gzip file");
  std::unique_ptr<z_stream, InflateEnd> stream(new z_stream{});
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (inflateInit2(stream.get(), kGzipOnly) != Z_OK)
    fail(ErrorKind::kInternal, where, ": zlib does not start");
  std::string result;
  std::vector<char> piece(1 << 20);
  int status = Z_OK;
  while (!bytes.empty() || status != Z_STREAM_END) {
    if (status == Z_STREAM_END) {  // another member follows
      require_intact(inflateReset(stream.get()) == Z_OK, where, ": cannot read a second member");
    }
    const size_t step = std::min<size_t>(bytes.size(), std::numeric_limits<uInt>::max());
    stream->next_in =
        reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write to it
    stream->avail_in = static_cast<uInt>(step);
    stream->next_out = reinterpret_cast<Bytef*>(piece.data());
    stream->avail_out = static_cast<uInt>(piece.size());
    status = inflate(stream.get(), Z_NO_FLUSH);
    const size_t used = step - stream->avail_in, made = piece.size() - stream->avail_out;
    require_intact(status == Z_OK || status == Z_STREAM_END, where,
                   ": gzip data is damaged or cut off (",
                   stream->msg != nullptr ? stream->msg : "no more bytes", ")");
    require_intact(made <= max_bytes - result.size(), where, ": decompresses to more than ",
                   max_bytes, " bytes");
    result.append(piece.data(), made);
    bytes.remove_prefix(used);
  }
  return result;
}

}  // namespace assay
