#include "core/partition/remote_address.h"

#include "core/partition/values.h"

namespace zkdb {
namespace {

constexpr uint16_t kDefaultPort = 6379;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Undoes percent-encoding. False where a % encodes nothing, or a NUL byte.
bool Decode(std::string_view text, std::string* out) {
  out->clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return false;
    *out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

bool TakeLogin(std::string_view text, Login* out, std::string* reason) {
  const size_t colon = text.find(':');
  const bool decoded = Decode(text.substr(0, colon), &out->user) &&
                       (colon == std::string_view::npos || Decode(text.substr(colon + 1), &out->password));
  if (!decoded) *reason = "has a user or password with a % that encodes nothing";
  return decoded;
}

bool TakeDatabase(std::string_view text, std::string* out, std::string* reason) {
  const bool decoded = Decode(text, out) && out->find('/') == std::string::npos;
  if (!decoded) *reason = "has a database that is no name";
  return decoded;
}

// host:port, [v6]:port; the port may be missing when `default_port` is not 0.
bool TakeHost(std::string_view text, uint16_t default_port, ServerAddress* out, std::string* reason) {
  const bool brackets = !text.empty() && text.front() == '[';
  const size_t end = brackets ? text.find(']') : text.rfind(':');
  std::string_view host = text.substr(0, end);
  std::string_view port;
  if (brackets) {
    if (end == std::string_view::npos) return *reason = "has no ']' behind its host", false;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return *reason = "has no ':' before its port", false;
    if (!port.empty()) port.remove_prefix(1);
  } else if (end != std::string_view::npos) {
    port = text.substr(end + 1);
  }
  if (host.empty()) return *reason = "has no host", false;
  uint64_t number = default_port;
  if (!port.empty() || default_port == 0) {
    if (!ParseInteger(port, &number) || number < 1 || number > 65535) {
      return *reason = "has no port of 1..65535", false;
    }
  }
  out->host = std::string(host);
  out->port = static_cast<uint16_t>(number);
  return true;
}

bool TakePath(std::string_view text, ServerAddress* out, std::string* reason) {
  if (text.empty() || text.front() != '/') return *reason = "has no absolute path", false;
  out->path = std::string(text);
  return true;
}

// What stands behind zkdb://.
bool TakeTcpUrl(std::string_view rest, RemoteAddress* out, std::string* reason) {
  const size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos && !TakeLogin(authority.substr(0, at), &out->login, reason)) return false;
  if (at != std::string_view::npos) authority.remove_prefix(at + 1);
  if (slash != std::string_view::npos && !TakeDatabase(rest.substr(slash + 1), &out->database, reason)) return false;
  return TakeHost(authority, kDefaultPort, &out->server, reason);
}

// What stands behind zkdb+unix: or unix:.
bool TakeUnixUrl(std::string_view rest, RemoteAddress* out, std::string* reason) {
  constexpr std::string_view kDatabase = "?db=";
  const size_t query = rest.find('?');
  if (query != std::string_view::npos) {
    if (!rest.substr(query).starts_with(kDatabase)) return *reason = "has something behind '?' that is not db=", false;
    if (!TakeDatabase(rest.substr(query + kDatabase.size()), &out->database, reason)) return false;
    rest = rest.substr(0, query);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const size_t slash = rest.find('/');
    const size_t at = rest.substr(0, slash).rfind('@');
    if (at != std::string_view::npos && !TakeLogin(rest.substr(0, at), &out->login, reason)) return false;
    if (at != std::string_view::npos) rest.remove_prefix(at + 1);
  }
  std::string path;
  if (!Decode(rest, &path)) return *reason = "has a path with a % that encodes nothing", false;
  return TakePath(path, &out->server, reason);
}

bool TakeAddress(std::string_view text, RemoteAddress* out, std::string* reason) {
  out->server.tls = text.starts_with("zkdbs://");
  if (out->server.tls) return TakeTcpUrl(text.substr(8), out, reason);
  if (text.starts_with("zkdb://")) return TakeTcpUrl(text.substr(7), out, reason);
  if (text.starts_with("zkdb+unix:")) return TakeUnixUrl(text.substr(10), out, reason);
  if (text.starts_with("unix:")) return TakeUnixUrl(text.substr(5), out, reason);
  if (text.starts_with("/")) return TakePath(text, &out->server, reason);
  return TakeHost(text, 0, &out->server, reason);
}

}  // namespace

bool ParseRemoteAddress(std::string_view text, RemoteAddress* out, std::string* reason) {
  *out = RemoteAddress{};
  if (TakeAddress(text, out, reason)) return true;
  *reason +=
      "; an address is host:port (port 1..65535), the absolute path of a Unix socket, unix:/path, or "
      "zkdb://user:password@host:port/database, with zkdbs:// for TLS";
  return false;
}

Login ParseAuthKey(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {"", std::string(text)};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

}  // namespace zkdb
