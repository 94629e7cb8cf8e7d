#include "core/txn/batch.h"

#include <algorithm>

#include "core/base/coding.h"

namespace zkdb {
namespace {

constexpr size_t kSmallOperation = 64;   // bytes; a guess to reserve memory by
constexpr size_t kReserveAtMost = 1024;  // operations

uint64_t Head(Slice key) {
  if (key.size >= 8) return __builtin_bswap64(Load64(key.data));
  uint64_t head = 0;
  for (size_t i = 0; i < key.size; ++i) head |= uint64_t{key.data[i]} << (56 - 8 * i);
  return head;
}

Status Malformed(uint32_t index, const std::string& what) {
  return Status::Invalid("operation " + std::to_string(index) + " of the batch " + what);
}

// The flags that an operation may carry.
uint8_t FlagsOf(zkdb_op kind) {
  switch (kind) {
    case ZKDB_OP_DELETE_RANGE: return ZKDB_RANGE_HAS_HI | ZKDB_RANGE_LO_EXCLUSIVE | ZKDB_RANGE_HI_INCLUSIVE;
    case ZKDB_OP_PUT:
    case ZKDB_OP_PUT_IF_PRESENT:
    case ZKDB_OP_PUT_IF_VALUE: return ZKDB_PUT_EXPIRES | ZKDB_PUT_KEEPS_TIME;
    case ZKDB_OP_PUT_IF_ABSENT: return ZKDB_PUT_EXPIRES;
    case ZKDB_OP_EXPIRE:
      return ZKDB_EXPIRE_IF_NONE | ZKDB_EXPIRE_IF_ANY | ZKDB_EXPIRE_IF_LATER | ZKDB_EXPIRE_IF_EARLIER;
    case ZKDB_OP_DELETE:
    case ZKDB_OP_DELETE_IF_VALUE: break;
  }
  return 0;
}

// Splits the value of a conditional put into the expected and the new one.
Status SplitExpected(Operation* op) {
  if (op->kind == ZKDB_OP_DELETE_IF_VALUE) {
    op->expected = op->value;
    op->value = Slice(op->value.data, 0);
    return Status::Ok();
  }
  if (op->value.size < 4) return Malformed(op->index, "has no expected value");
  const uint32_t n = Load32(op->value.data);
  if (n > op->value.size - 4) return Malformed(op->index, "has an expected value that is longer than the operation");
  op->expected = op->value.Sub(4, n);
  op->value = op->value.Sub(4 + size_t{n});
  return Status::Ok();
}

// Takes the time, or the clock, off the value of an operation that has one.
Status SplitTime(Operation* op) {
  if (op->kind == ZKDB_OP_EXPIRE) {
    if (op->value.size != 2 * kTimeSize) return Malformed(op->index, "is no time and a clock");
    op->time = Load64(op->value.data);
    op->clock = Load64(op->value.data + kTimeSize);
    op->value = Slice(op->value.data, 0);
    return Status::Ok();
  }
  if (!op->puts() || op->flags == 0) return Status::Ok();
  if (op->flags == (ZKDB_PUT_EXPIRES | ZKDB_PUT_KEEPS_TIME)) return Malformed(op->index, "has two times");
  if (op->value.size < kTimeSize) return Malformed(op->index, "has no time");
  (op->keeps_time() ? op->clock : op->time) = Load64(op->value.data);
  op->value = op->value.Sub(kTimeSize);
  return Status::Ok();
}

bool InOrder(const Operation& a, const Operation& b) {
  if (a.partition != b.partition) return a.partition < b.partition;
  if (a.head != b.head) return a.head < b.head;
  const int c = Compare(a.key, b.key);
  return c != 0 ? c < 0 : a.index < b.index;
}

}  // namespace

Status Batch::Add(Slice bytes, size_t* position, const Selector* selector) {
  const size_t left = bytes.size - *position;
  const uint32_t index = next_index_++;
  if (left < ZKDB_OP_HEADER_SIZE) return Malformed(index, "is cut short: " + std::to_string(left) + " bytes are left");
  const uint8_t* p = bytes.data + *position;
  Operation op;
  op.index = index;
  if (p[0] < ZKDB_OP_PUT || p[0] > ZKDB_OP_EXPIRE)
    return Malformed(index, "has the unknown kind " + std::to_string(p[0]));
  op.kind = static_cast<zkdb_op>(p[0]);
  op.flags = p[1];
  if ((op.flags & ~FlagsOf(op.kind)) != 0) return Malformed(index, "has unknown flags: " + std::to_string(op.flags));
  const uint32_t key_size = Load16(p + 2);
  const uint32_t value_size = Load32(p + 4);
  if (left - ZKDB_OP_HEADER_SIZE < uint64_t{key_size} + value_size) return Malformed(index, "is longer than the batch");
  if (op.kind == ZKDB_OP_DELETE && value_size != 0) return Malformed(index, "is a delete with a value");
  op.bytes = p;
  op.size = ZKDB_OP_HEADER_SIZE + key_size + value_size;
  op.key = Slice(p + ZKDB_OP_HEADER_SIZE, key_size);
  op.value = Slice(op.key.data + key_size, value_size);
  if (op.compares()) ZKDB_RETURN_IF_ERROR(SplitExpected(&op));
  if (op.flags != 0 || op.kind == ZKDB_OP_EXPIRE) ZKDB_RETURN_IF_ERROR(SplitTime(&op));
  if (op.value.size > ZKDB_MAX_VALUE_SIZE) {
    return {ZKDB_VALUE_TOO_LARGE, "operation " + std::to_string(index) + " has a value of " +
                                      std::to_string(op.value.size) + " bytes; the limit is " +
                                      std::to_string(ZKDB_MAX_VALUE_SIZE)};
  }
  *position += op.size;
  op.head = Head(op.key);
  has_conditions_ |= op.conditional();
  has_ranges_ |= op.kind == ZKDB_OP_DELETE_RANGE;
  reads_clock_ |= op.reads_clock();
  if (selector == nullptr) {
    operations_.push_back(op);
  } else {
    Route(&op, *selector);
  }
  return Status::Ok();
}

void Batch::Route(Operation* op, const Selector& selector) {
  if (op->kind != ZKDB_OP_DELETE_RANGE) {
    op->partition = selector.Select(op->key);
    operations_.push_back(*op);
    return;
  }
  const KeyRange range = op->range();
  for (uint32_t i = 0; i < selector.partition_count(); ++i) {
    if (!selector.MayHold(i, range.lo, range.has_hi, range.hi)) continue;
    op->partition = i;
    operations_.push_back(*op);
    routed_bytes_ += op->size;
  }
}

Status Batch::Parse(Slice bytes, const Selector& selector) {
  if (bytes.size > ZKDB_MAX_BATCH_SIZE) {
    return {ZKDB_BATCH_TOO_LARGE, "the batch has " + std::to_string(bytes.size) + " bytes; the limit is " +
                                      std::to_string(ZKDB_MAX_BATCH_SIZE) + "; write it in parts"};
  }
  operations_.reserve(std::min(bytes.size / kSmallOperation + 1, kReserveAtMost));
  for (size_t position = 0; position < bytes.size;) {
    ZKDB_RETURN_IF_ERROR(Add(bytes, &position, &selector));
    if (routed_bytes_ <= ZKDB_MAX_BATCH_SIZE) continue;
    return {ZKDB_BATCH_TOO_LARGE,
            "the range deletes of the batch, one for each partition that they touch, have more than " +
                std::to_string(ZKDB_MAX_BATCH_SIZE) + " bytes; write it in parts"};
  }
  return Status::Ok();
}

Status Batch::ParseLogged(Slice bytes) {
  for (size_t position = 0; position < bytes.size;) ZKDB_RETURN_IF_ERROR(Add(bytes, &position, nullptr));
  sorted_ = !has_ranges_ && std::is_sorted(operations_.begin(), operations_.end(), InOrder);
  return Status::Ok();
}

void Batch::Take(const Batch& other, const Operation* first, const Operation* end) {
  operations_.assign(first, end);
  sorted_ = other.sorted_;
  has_conditions_ = std::any_of(first, end, [](const Operation& op) { return op.conditional(); });
  reads_clock_ = other.reads_clock_;
}

void Batch::SetClock(ReadClock* clock) {
  if (!reads_clock_) return;
  for (Operation& op : operations_) op.clock = clock->Now();
}

// Sorts by partition, key and place in the batch: what is moved while sorting is small, the operations follow once.
void Batch::SortByKey() {
  struct SortKey {
    uint64_t head;
    uint32_t partition;
    uint32_t place;
  };
  std::vector<SortKey> keys;
  keys.reserve(operations_.size());
  for (const Operation& op : operations_) keys.push_back({op.head, op.partition, static_cast<uint32_t>(keys.size())});
  std::sort(keys.begin(), keys.end(), [this](const SortKey& a, const SortKey& b) {
    if (a.partition != b.partition) return a.partition < b.partition;
    return a.head != b.head ? a.head < b.head : InOrder(operations_[a.place], operations_[b.place]);
  });
  std::vector<Operation> sorted;
  sorted.reserve(keys.size());
  for (const SortKey& key : keys) sorted.push_back(operations_[key.place]);
  operations_ = std::move(sorted);
}

void Batch::Arrange() {
  if (!has_ranges_) {
    if (!std::is_sorted(operations_.begin(), operations_.end(), InOrder)) SortByKey();
    sorted_ = true;
    return;
  }
  std::stable_sort(operations_.begin(), operations_.end(),
                   [](const Operation& a, const Operation& b) { return a.partition < b.partition; });
}

Status Batch::ForEachPartition(const std::function<Status(uint32_t, Operation*, Operation*)>& visit) {
  Operation* const end = operations_.data() + operations_.size();
  for (Operation* first = operations_.data(); first != end;) {
    Operation* last = first;
    while (last != end && last->partition == first->partition) ++last;
    ZKDB_RETURN_IF_ERROR(visit(first->partition, first, last));
    first = last;
  }
  return Status::Ok();
}

void LogGroups::StartGroup(uint64_t uid) {
  last_ = bytes_.size();
  bytes_.resize(last_ + kLogGroupHead);
  Store64(bytes_.data() + last_, uid);
  Store32(bytes_.data() + last_ + 8, 0u);
  Store32(bytes_.data() + last_ + 12, 0u);
}

void LogGroups::Append(const LogGroups& other) {
  last_ = bytes_.size() + other.last_;
  bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
}

namespace {

// An operation as it came, but for the clock by which it is applied.
uint8_t* PackAsIs(const Operation& op, uint8_t* to) {
  std::memcpy(to, op.bytes, op.size);
  const size_t clock = ZKDB_OP_HEADER_SIZE + op.key.size + (op.kind == ZKDB_OP_EXPIRE ? kTimeSize : 0);
  if (op.reads_clock()) Store64(to + clock, op.clock);
  return to + op.size;
}

uint8_t* PackWithoutCondition(const Operation& op, uint8_t* to) {
  const uint32_t time_size = op.flags != 0 ? kTimeSize : 0;
  to[0] = op.deletes() ? ZKDB_OP_DELETE : ZKDB_OP_PUT;
  to[1] = op.flags;
  Store16(to + 2, static_cast<uint16_t>(op.key.size));
  Store32(to + 4, time_size + static_cast<uint32_t>(op.value.size));
  to += ZKDB_OP_HEADER_SIZE;
  if (op.key.size != 0) std::memcpy(to, op.key.data, op.key.size);
  to += op.key.size;
  if (time_size != 0) Store64(to, op.keeps_time() ? op.clock : op.time);
  to += time_size;
  if (op.value.size != 0) std::memcpy(to, op.value.data, op.value.size);
  return to + op.value.size;
}

}  // namespace

void LogGroups::Add(uint64_t uid, const Operation* first, const Operation* end) {
  if (bytes_.empty() || Load64(bytes_.data() + last_) != uid) StartGroup(uid);
  const size_t begin = bytes_.size();
  size_t size = 0;
  for (const Operation* op = first; op != end; ++op) size += op->size;
  bytes_.resize(begin + size);
  uint8_t* p = bytes_.data() + begin;
  for (const Operation* op = first; op != end; ++op) {
    p = op->conditional() ? PackWithoutCondition(*op, p) : PackAsIs(*op, p);
  }
  bytes_.resize(static_cast<size_t>(p - bytes_.data()));
  Store32(bytes_.data() + last_ + 8, static_cast<uint32_t>(bytes_.size() - last_ - kLogGroupHead));
}

Status ForEachLogGroup(Slice payload, const std::function<Status(uint64_t, Slice)>& visit) {
  while (payload.size > 0) {
    if (payload.size < kLogGroupHead || Load32(payload.data + 8) > payload.size - kLogGroupHead) {
      return Status::Corrupt("a log record's groups do not add up to its size");
    }
    const uint32_t size = Load32(payload.data + 8);
    ZKDB_RETURN_IF_ERROR(visit(Load64(payload.data), payload.Sub(kLogGroupHead, size)));
    payload = payload.Sub(kLogGroupHead + size_t{size});
  }
  return Status::Ok();
}

}  // namespace zkdb
