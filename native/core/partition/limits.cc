#include "core/partition/limits.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "core/base/assert.h"
#include "core/base/slice.h"
#include "core/partition/values.h"

namespace zkdb {

namespace {

// The limits of one partition in compared form.
struct Range {
  bool has_min = false;
  bool has_max = false;
  std::string min;
  std::string max;
};

// The bytes that text limits are counted in: all but 'A'..'Z', ascending.
std::string FoldedAlphabet() {
  std::string alphabet;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (FoldByte(static_cast<uint8_t>(byte)) == byte) alphabet.push_back(static_cast<char>(byte));
  }
  return alphabet;
}

// The next string of the same length over an ascending alphabet; "" when `text` has another byte or is the last one.
std::string Successor(std::string text, std::string_view alphabet) {
  if (text.find_first_not_of(alphabet) != std::string::npos) return "";
  for (size_t i = text.size(); i-- > 0;) {
    const size_t digit = alphabet.find(text[i]) + 1;
    text[i] = alphabet[digit % alphabet.size()];
    if (digit < alphabet.size()) return text;
  }
  return "";
}

class Compiler {
 public:
  Compiler(const std::vector<PartitionConfig>& partitions, LimitRule* rule, LimitError* error)
      : partitions_(partitions), rule_(rule), error_(error) {}

  bool Run() {
    *rule_ = LimitRule{};
    return CheckKinds() && CheckStarts() && ReadRanges() && CheckWidths() && CheckOrder() && Finish();
  }

 private:
  bool Fail(size_t partition, const char* key, std::string reason) {
    *error_ = {static_cast<uint32_t>(partition), key, std::move(reason)};
    return false;
  }

  std::string Name(size_t partition) const { return "[" + Printable(partitions_[partition].name) + "]"; }

  // A limit as a person wrote it: numbers in decimal, text in quotes.
  std::string Show(const std::string& limit) const {
    if (rule_->kind == RouteKind::kText) return "\"" + Printable(limit) + "\"";
    return std::to_string(static_cast<uint8_t>(limit[0]));
  }

  bool CheckKinds() {
    const PartitionConfig& first = partitions_[0];
    for (size_t i = 0; i < partitions_.size(); ++i) {
      const PartitionConfig& p = partitions_[i];
      if (p.is_hashed && p.do_hashing) {
        return Fail(i, "DoHashing", "IsHashed = Yes says that the key already is a hash; set one of the two to No");
      }
      if (p.is_hashed != first.is_hashed) return Fail(i, "IsHashed", Mixture());
      if (p.do_hashing != first.do_hashing) return Fail(i, "DoHashing", Mixture());
    }
    rule_->kind = first.is_hashed ? RouteKind::kHashed : first.do_hashing ? RouteKind::kDoHashing : RouteKind::kText;
    return true;
  }

  std::string Mixture() const {
    return "a mixture of kinds of limits: " + Name(0) +
           " has another value; all partitions of a database have the same IsHashed and DoHashing";
  }

  bool CheckStarts() {
    for (size_t i = 0; i < partitions_.size(); ++i) {
      const uint32_t start = partitions_[i].limit_start_pos;
      if (rule_->kind == RouteKind::kDoHashing && start != 0) {
        return Fail(i, "LimitStartPos", "DoHashing = Yes hashes the whole key; remove LimitStartPos");
      }
      if (start != partitions_[0].limit_start_pos) {
        return Fail(i, "LimitStartPos",
                    "differs from " + std::to_string(partitions_[0].limit_start_pos) + " of " + Name(0) +
                        "; all partitions of a database compare the same bytes");
      }
    }
    rule_->start = partitions_[0].limit_start_pos;
    return true;
  }

  bool ReadRanges() {
    ranges_.resize(partitions_.size());
    for (size_t i = 0; i < partitions_.size(); ++i) {
      const PartitionConfig& p = partitions_[i];
      Range& range = ranges_[i];
      range.has_min = p.min_limit.has_value();
      range.has_max = p.max_limit.has_value();
      if (range.has_min && !ReadLimit(i, "MinLimit", *p.min_limit, &range.min)) return false;
      if (range.has_max && !ReadLimit(i, "MaxLimit", *p.max_limit, &range.max)) return false;
      if (rule_->kind != RouteKind::kText) Close(&range);
    }
    return true;
  }

  // The defaults of numeric limits: 0 and 255.
  static void Close(Range* range) {
    if (!range->has_min) range->min = std::string(1, '\0');
    if (!range->has_max) range->max = std::string(1, '\xFF');
    range->has_min = range->has_max = true;
  }

  bool ReadLimit(size_t partition, const char* key, const std::string& given, std::string* limit) {
    if (rule_->kind == RouteKind::kText) {
      *limit = LowerAscii(given);
      if (given.empty()) return Fail(partition, key, "an empty limit; remove the key for an open end");
      if (given.size() <= kMaxLimitWidth) return true;
      return Fail(
          partition, key,
          "has " + std::to_string(given.size()) + " bytes; a limit has at most " + std::to_string(kMaxLimitWidth));
    }
    uint64_t number = 0;
    if (given.empty() || given.find_first_not_of("0123456789") != std::string::npos) {
      return Fail(partition, key, "is not a number; with IsHashed or DoHashing limits are numbers in 0..255");
    }
    if (!ParseInteger(given, &number) || number > 255) return Fail(partition, key, "is outside 0..255");
    *limit = std::string(1, static_cast<char>(number));
    return true;
  }

  bool CheckWidths() {
    const std::string* first = nullptr;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const Range& r = ranges_[i];
      for (const bool is_min : {true, false}) {
        if (!(is_min ? r.has_min : r.has_max)) continue;
        const std::string& limit = is_min ? r.min : r.max;
        if (first == nullptr) first = &limit;
        if (limit.size() == first->size()) continue;
        return Fail(i, is_min ? "MinLimit" : "MaxLimit", WidthsDiffer(limit, *first));
      }
    }
    rule_->width = first == nullptr ? 1 : static_cast<uint32_t>(first->size());
    return true;
  }

  std::string WidthsDiffer(const std::string& limit, const std::string& first) const {
    const bool numbers = limit.find_first_not_of("0123456789") == std::string::npos &&
                         first.find_first_not_of("0123456789") == std::string::npos;
    return "lengths differ: " + std::to_string(limit.size()) + " bytes here and " + std::to_string(first.size()) +
           " in " + Show(first) + "; all limits of a database have the same length" +
           (numbers ? " (for numbers in 0..255 set IsHashed = Yes)" : "");
  }

  bool CheckOrder() {
    rule_->order.resize(ranges_.size());
    std::iota(rule_->order.begin(), rule_->order.end(), 0u);
    const auto before = [this](uint32_t a, uint32_t b) { return Lowest(ranges_[a]) < Lowest(ranges_[b]); };
    std::stable_sort(rule_->order.begin(), rule_->order.end(), before);
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const Range& r = ranges_[i];
      if (r.has_min && r.has_max && Compare(Slice(r.min), Slice(r.max)) > 0) {
        return Fail(i, "MinLimit", "is above MaxLimit = " + Printable(*partitions_[i].max_limit));
      }
    }
    for (size_t i = 1; i < rule_->order.size(); ++i) {
      if (!CheckNeighbours(rule_->order[i - 1], rule_->order[i])) return false;
    }
    return CheckEnds();
  }

  // std::string compares as unsigned bytes; the open end is lowest.
  static std::string Lowest(const Range& r) { return r.has_min ? "1" + r.min : "0"; }

  bool CheckNeighbours(uint32_t lower, uint32_t upper) {
    const Range& a = ranges_[lower];
    const Range& b = ranges_[upper];
    if (!b.has_min) return Fail(upper, "MinLimit", "overlap: " + Name(lower) + " has no MinLimit either");
    if (!a.has_max) {
      const std::string from = a.has_min ? "every key from " + Show(a.min) + " on" : "every key";
      return Fail(upper, "MinLimit", "overlap: " + Name(lower) + " has no MaxLimit and so holds " + from);
    }
    if (Compare(Slice(b.min), Slice(a.max)) <= 0) {
      return Fail(upper, "MinLimit", "overlap: " + Name(lower) + " holds keys up to " + Show(a.max));
    }
    if (IsSuccessor(a.max, b.min)) return true;
    return Fail(upper, "MinLimit",
                "gap: no partition holds " + Show(Successor(a.max, Alphabet())) + "; the partition before, " +
                    Name(lower) + ", ends at " + Show(a.max));
  }

  bool IsSuccessor(const std::string& max, const std::string& min) const {
    if (Successor(max, Alphabet()) == min) return true;
    if (rule_->width == 1) return false;
    for (const char* alphabet :
         {"0123456789", "abcdefghijklmnopqrstuvwxyz", "0123456789abcdef", "0123456789abcdefghijklmnopqrstuvwxyz"}) {
      if (Successor(max, alphabet) == min) return true;
    }
    return false;
  }

  std::string Alphabet() const {
    if (rule_->kind == RouteKind::kText) return FoldedAlphabet();
    std::string bytes(256, '\0');
    std::iota(bytes.begin(), bytes.end(), '\0');
    return bytes;
  }

  bool CheckEnds() {
    const uint32_t first = rule_->order.front();
    const uint32_t last = rule_->order.back();
    const Range& a = ranges_[first];
    const Range& b = ranges_[last];
    if (rule_->kind == RouteKind::kText) {
      if (a.has_min)
        return Fail(first, "MinLimit",
                    "gap: no partition holds keys below " + Show(a.min) + "; remove MinLimit from the first partition");
      if (b.has_max)
        return Fail(last, "MaxLimit",
                    "gap: no partition holds keys above " + Show(b.max) + "; remove MaxLimit from the last partition");
      return true;
    }
    if (a.min[0] != '\0') return Fail(first, "MinLimit", "gap: no partition holds 0; the first one begins at 0");
    if (b.max[0] != '\xFF') {
      const std::string next = Show(Successor(b.max, Alphabet()));
      return Fail(last, "MaxLimit", "gap: no partition holds " + next + "; the last one ends at 255");
    }
    return true;
  }

  bool Finish() {
    for (const uint32_t partition : rule_->order) {
      rule_->lower.push_back(rule_->lower.empty() ? "" : ranges_[partition].min);
      rule_->upper.push_back(ranges_[partition].max);
    }
    ZKDB_ASSERT(rule_->lower.size() == partitions_.size());
    return true;
  }

  const std::vector<PartitionConfig>& partitions_;
  LimitRule* rule_;
  LimitError* error_;
  std::vector<Range> ranges_;
};

}  // namespace

bool CompileLimits(const std::vector<PartitionConfig>& partitions, LimitRule* rule, LimitError* error) {
  ZKDB_ASSERT(!partitions.empty() && partitions.size() <= kMaxPartitions);
  return Compiler(partitions, rule, error).Run();
}

}  // namespace zkdb
