#include "net/address_list.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace zkdb::net {

namespace {

constexpr uint32_t kAllBits = 128;
constexpr uint32_t kMappedBits = 96;  // of an IPv4 address as one of IPv6, before its own
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

}  // namespace

bool AddressList::ParseAddress(const std::string& text, Bytes* out, uint32_t* bits) {
  if (inet_pton(AF_INET, text.c_str(), out->data() + kMappedPrefix.size()) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), out->begin());
    *bits = kAllBits - kMappedBits;
    return true;
  }
  *bits = kAllBits;
  return inet_pton(AF_INET6, text.c_str(), out->data()) == 1;
}

bool AddressList::ParseNetwork(std::string_view text, Network* out) {
  const size_t slash = text.find('/');
  uint32_t whole = 0;
  if (!ParseAddress(std::string(text.substr(0, slash)), &out->address, &whole)) return false;
  uint32_t bits = whole;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits > whole) return false;
  }
  out->bits = kAllBits - whole + bits;
  return true;
}

bool AddressList::Parse(std::string_view text, AddressList* out) {
  AddressList list;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    Network network{};
    if (!ParseNetwork(text.substr(0, comma), &network)) return false;
    list.networks_.push_back(network);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  *out = std::move(list);
  return true;
}

bool AddressList::Has(const std::string& address) const {
  if (networks_.empty()) return true;
  Bytes bytes{};
  uint32_t whole = 0;
  if (!ParseAddress(address, &bytes, &whole)) return false;
  return std::any_of(networks_.begin(), networks_.end(), [&bytes](const Network& network) {
    const size_t full = network.bits / 8;
    if (std::memcmp(bytes.data(), network.address.data(), full) != 0) return false;
    if (network.bits % 8 == 0) return true;
    const uint32_t mask = 0xFFU << (8 - network.bits % 8);
    return ((uint32_t{bytes[full]} ^ network.address[full]) & mask & 0xFFU) == 0;
  });
}

}  // namespace zkdb::net
