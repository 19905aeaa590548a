#include "page/pagemap_reader.h"

#include <algorithm>
#include <cstring>

#include "sys/full_io.h"

namespace frazil::page {
namespace {

// criu/include/magic.h.
constexpr uint32_t kCommonMagic = 0x54564319;
constexpr uint32_t kPagemapMagic = 0x56084025;
// An entry is at most five varints with their tags; one with anything more is not of a CRIU that we know.
constexpr uint32_t kMaxEntryBytes = 64;
constexpr unsigned kVarint = 0;
// Of protobuf: varint, 64 bits, length-delimited, 32 bits. 3 and 4 are groups, which proto2 messages of CRIU never had.
constexpr bool is_wire_type(uint64_t type) { return type <= 2 || type == 5; }
// Beyond any number that a message with five fields will come to have: then it is garbage.
constexpr uint64_t kMaxField = 63;

struct Cursor {
  const uint8_t* at;
  const uint8_t* end;
};

bool take_varint(Cursor& cursor, uint64_t* value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && cursor.at < cursor.end; shift += 7) {
    const uint8_t byte = *cursor.at++;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

enum class Parsed : uint8_t { whole, malformed, newer };

// Fields 1..known are varints. A field that is none of these comes from a CRIU that is newer than we: the development branch
// stores pages compressed and says so in such fields, and whoever skipped them would read garbage at every offset.
Parsed parse(Cursor cursor, size_t known, PagemapFields* fields) {
  while (cursor.at < cursor.end) {
    uint64_t key;
    uint64_t value;
    if (!take_varint(cursor, &key)) return Parsed::malformed;
    const uint64_t field = key >> 3;
    if (field == 0 || field > kMaxField || !is_wire_type(key & 7)) return Parsed::malformed;
    if (field > known) return Parsed::newer;
    if ((key & 7) != kVarint || !take_varint(cursor, &value)) return Parsed::malformed;
    (*fields)[field] = value;
  }
  return Parsed::whole;
}

}  // namespace

bool PagemapReader::head(PagemapFields* fields) noexcept {
  uint32_t magic[2];
  if (!take(magic, sizeof magic)) return fault_ ? false : fail(Flaw::not_a_pagemap);
  if (magic[0] != kCommonMagic || magic[1] != kPagemapMagic) return fail(Flaw::not_a_pagemap);
  return message(fields, 1);
}

bool PagemapReader::next(PagemapFields* fields) noexcept {
  if (fault_ || at_end()) return false;
  return message(fields, kPagemapFields - 1);
}

bool PagemapReader::message(PagemapFields* fields, size_t known) noexcept {
  message_ = position_;
  *fields = {};
  uint32_t length;
  if (!take(&length, sizeof length)) return fail(Flaw::truncated);
  uint8_t body[kMaxEntryBytes];
  const uint32_t seen = std::min(length, kMaxEntryBytes);
  if (!take(body, seen)) return fail(Flaw::truncated);
  const Parsed parsed = parse({body, body + seen}, known, fields);
  if (parsed == Parsed::newer) return fail(Flaw::newer);
  return parsed == Parsed::whole && seen == length ? true : fail(Flaw::malformed);
}

bool PagemapReader::take(void* to, size_t bytes) noexcept {
  for (auto at = static_cast<uint8_t*>(to); bytes > 0;) {
    if (at_end()) return false;
    const size_t n = std::min(bytes, until_ - from_);
    std::memcpy(at, buffer_.data() + from_, n);
    from_ += n;
    position_ += n;
    at += n;
    bytes -= n;
  }
  return true;
}

bool PagemapReader::refill() noexcept {
  if (fault_) return false;
  const auto got = read_full(file_, buffer_.data(), buffer_.size());
  if (!got.ok()) fault_ = ImageFault{.flaw = Flaw::system, .error = got.error(), .offset = position_};
  from_ = 0;
  until_ = got.ok() ? got.value() : 0;
  return until_ > 0;
}

// A file that cannot be read is that, and not one that ends too early.
bool PagemapReader::fail(Flaw flaw) noexcept {
  if (!fault_) fault_ = ImageFault{.flaw = flaw, .offset = message_};
  return false;
}

}  // namespace frazil::page
