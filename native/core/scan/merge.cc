#include "core/scan/merge.h"

#include <algorithm>

namespace zkdb {
namespace {

constexpr uint32_t kNoSource = UINT32_MAX;

ScanBounds CopyBounds(const KeyRange& range, const ScanOptions& options) {
  ScanBounds b;
  b.lo = range.lo.ToString();
  b.hi = range.has_hi ? range.hi.ToString() : std::string();
  b.has_hi = range.has_hi;
  b.lo_exclusive = range.lo_exclusive;
  b.hi_inclusive = range.hi_inclusive;
  b.options = options;
  return b;
}

}  // namespace

template <typename Stream>
MergeScan<Stream>::MergeScan(const KeyRange& range, const ScanOptions& options) : bounds_(CopyBounds(range, options)) {}

template <typename Stream>
Status MergeScan<Stream>::Seek(Slice key) {
  bounds_.start = key.ToString();
  bounds_.has_start = true;
  for (auto& stream : streams_) stream->Reset();
  current_ = 0;
  merge_open_ = false;
  failed_ = Status::Ok();
  return Status::Ok();
}

template <typename Stream>
Status MergeScan<Stream>::Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count,
                               bool* done, bool* too_small) {
  [[maybe_unused]] const typename Stream::Guard guard{};
  ++generation_;
  ReadClock clock(bounds_.options.clock);
  PackBuffer out{buffer, capacity, max_records};
  if (bounds_.options.clock != nullptr) out.clock = &clock;
  *done = false;
  *used = 0;
  *count = 0;
  *too_small = false;
  const bool serial = streams_.size() < 2 || bounds_.options.unordered;
  if (failed_.ok()) failed_ = serial ? PackSerial(&out, done) : PackMerged(&out, done);
  if (!failed_.ok() && out.count == 0) return failed_;
  *count = out.count;
  *too_small = out.count == 0 && out.refused != 0;
  *used = *too_small ? out.refused : out.used;
  return Status::Ok();
}

template <typename Stream>
Status MergeScan<Stream>::PackSerial(PackBuffer* out, bool* done) {
  for (; current_ < streams_.size(); ++current_) {
    Stream& stream = *streams_[current_];
    ZKDB_RETURN_IF_ERROR(stream.Enter(generation_));
    while (out->open()) {
      bool any = false;
      ZKDB_RETURN_IF_ERROR(stream.Fill(&any));
      if (!any) break;
      ZKDB_RETURN_IF_ERROR(stream.PackRun(out, UINT32_MAX));
    }
    if (!out->open()) return Status::Ok();
  }
  *done = true;
  return Status::Ok();
}

// ---- merging

template <typename Stream>
Status MergeScan<Stream>::CompareKeys(uint32_t a, uint32_t b, int* out) {
  Stream& x = *streams_[a];
  Stream& y = *streams_[b];
  const Slice left = x.key();
  const Slice right = y.key();
  const size_t n = std::min(left.size, right.size);
  *out = n == 0 ? 0 : std::memcmp(left.data, right.data, n);
  if (*out != 0) return Status::Ok();
  if (!x.key_overflows() && !y.key_overflows()) {
    *out = Compare(left, right);
    return Status::Ok();
  }
  std::string whole_left;
  std::string whole_right;
  ZKDB_RETURN_IF_ERROR(x.Enter(generation_));
  ZKDB_RETURN_IF_ERROR(y.Enter(generation_));
  ZKDB_RETURN_IF_ERROR(x.WholeKey(&whole_left));
  ZKDB_RETURN_IF_ERROR(y.WholeKey(&whole_right));
  *out = Compare(whole_left, whole_right);
  return Status::Ok();
}

// Whether `a` comes out before `b`. A source without records comes last; equal keys come in the order of the sources.
template <typename Stream>
Status MergeScan<Stream>::Before(const Node& a, const Node& b, bool* out) {
  *out = a.head < b.head;
  if (a.head != b.head) return Status::Ok();
  if (a.source == kNoSource || b.source == kNoSource) {
    *out = a.source != kNoSource;
    return Status::Ok();
  }
  int c = 0;
  ZKDB_RETURN_IF_ERROR(CompareKeys(a.source, b.source, &c));
  if (bounds_.options.reverse) c = -c;
  *out = c < 0 || (c == 0 && a.source < b.source);
  return Status::Ok();
}

template <typename Stream>
Status MergeScan<Stream>::LoadNode(uint32_t source, Node* out) {
  Stream& stream = *streams_[source];
  bool any = false;
  ZKDB_RETURN_IF_ERROR(stream.Enter(generation_));
  ZKDB_RETURN_IF_ERROR(stream.Fill(&any));
  *out = Node{UINT64_MAX, kNoSource};
  if (!any) return Status::Ok();
  const uint64_t head = stream.TakeKey();
  *out = Node{bounds_.options.reverse ? ~head : head, source};
  return Status::Ok();
}

// Opens every source and plays all matches: node i's children are 2i and 2i + 1; the sources are nodes count...2 count
// - 1.
template <typename Stream>
Status MergeScan<Stream>::OpenAll() {
  const auto n = static_cast<uint32_t>(streams_.size());
  std::vector<Node> winners(2 * size_t{n});
  for (uint32_t i = 0; i < n; ++i) ZKDB_RETURN_IF_ERROR(LoadNode(i, &winners[n + i]));
  losers_.assign(n, Node{});
  for (uint32_t i = n - 1; i > 0; --i) {
    bool left = false;
    ZKDB_RETURN_IF_ERROR(Before(winners[2 * i], winners[2 * i + 1], &left));
    winners[i] = winners[left ? 2 * i : 2 * i + 1];
    losers_[i] = winners[left ? 2 * i + 1 : 2 * i];
  }
  winner_ = winners[1];
  merge_open_ = true;
  advance_ = false;
  repeated_ = false;
  return Status::Ok();
}

// Plays the matches of `source`, whose key is a new one, up to the root.
template <typename Stream>
Status MergeScan<Stream>::Replay(uint32_t source) {
  Node node;
  ZKDB_RETURN_IF_ERROR(LoadNode(source, &node));
  const auto n = static_cast<uint32_t>(streams_.size());
  for (uint32_t i = (n + source) / 2; i > 0; i /= 2) {
    Node& loser = losers_[i];
    bool swap = loser.head < node.head;
    if (loser.head == node.head) [[unlikely]]
      ZKDB_RETURN_IF_ERROR(Before(loser, node, &swap));
    // Exchanged without a branch: which one wins is a coin toss that no predictor learns.
    const uint64_t mask = swap ? UINT64_MAX : 0;
    const uint64_t head = (loser.head ^ node.head) & mask;
    const auto number = static_cast<uint32_t>((loser.source ^ node.source) & mask);
    loser = Node{loser.head ^ head, loser.source ^ number};
    node = Node{node.head ^ head, node.source ^ number};
  }
  repeated_ = node.source == source;
  winner_ = node;
  return Status::Ok();
}

// The source that would win without the winner: the best of those that lost to it.
template <typename Stream>
Status MergeScan<Stream>::RunnerUp(Node* out) {
  *out = Node{UINT64_MAX, kNoSource};
  const auto n = static_cast<uint32_t>(streams_.size());
  for (uint32_t i = (n + winner_.source) / 2; i > 0; i /= 2) {
    bool better = false;
    ZKDB_RETURN_IF_ERROR(Before(losers_[i], *out, &better));
    if (better) *out = losers_[i];
  }
  return Status::Ok();
}

// Packs the winner's records. A source that won twice in a row is taken to be ahead for longer: what it has in this
// leaf before the runner-up's key needs no further matches.
template <typename Stream>
Status MergeScan<Stream>::PackRun(PackBuffer* out) {
  Stream& stream = *streams_[winner_.source];
  ZKDB_RETURN_IF_ERROR(stream.Enter(generation_));
  uint32_t limit = 1;
  if (repeated_ && stream.left() > 1) {
    Node next;
    ZKDB_RETURN_IF_ERROR(RunnerUp(&next));
    limit = UINT32_MAX;
    if (next.source != kNoSource) {
      Stream& other = *streams_[next.source];
      std::string whole;
      ZKDB_RETURN_IF_ERROR(other.Enter(generation_));
      if (other.key_overflows()) ZKDB_RETURN_IF_ERROR(other.WholeKey(&whole));
      ZKDB_RETURN_IF_ERROR(stream.CountBefore(other.key_overflows() ? Slice(whole) : other.key(), &limit));
      limit = std::max(limit, 1u);
    }
  }
  const uint32_t before = stream.left();
  ZKDB_RETURN_IF_ERROR(stream.PackRun(out, limit));
  advance_ = stream.left() < before;
  return Status::Ok();
}

template <typename Stream>
Status MergeScan<Stream>::PackMerged(PackBuffer* out, bool* done) {
  if (!merge_open_) ZKDB_RETURN_IF_ERROR(OpenAll());
  while (out->open()) {
    if (advance_) ZKDB_RETURN_IF_ERROR(Replay(winner_.source));
    advance_ = false;
    if (winner_.source == kNoSource) {
      *done = true;
      return Status::Ok();
    }
    ZKDB_RETURN_IF_ERROR(PackRun(out));
  }
  return Status::Ok();
}

template class MergeScan<SourceStream>;
template class MergeScan<PackedStream>;

}  // namespace zkdb
