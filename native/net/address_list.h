// IP addresses and networks: who may connect to a server.
//
// Thread-safety: a value.
//
// Invariants:
//  1. Everything is compared as 128 bits: 1.2.3.4 and ::ffff:1.2.3.4 are one address.
//  2. A list that names nothing has everybody; one that names something does not have what is no address.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zkdb::net {

class AddressList {
 public:
  // Reads addresses and networks with commas between them: "10.0.0.0/8,::1". False when there is anything else.
  static bool Parse(std::string_view text, AddressList* out);

  // Whether a numeric address without a port is in the list.
  bool Has(const std::string& address) const;

 private:
  using Bytes = std::array<uint8_t, 16>;
  struct Network {
    Bytes address;
    uint32_t bits;
  };

  // *bits: how many of them the address has as it is written.
  static bool ParseAddress(const std::string& text, Bytes* out, uint32_t* bits);
  static bool ParseNetwork(std::string_view text, Network* out);

  std::vector<Network> networks_;
};

}  // namespace zkdb::net
