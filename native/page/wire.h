#pragma once

// The page protocol: what CRIU says on the socket that carries memory (criu/page-xfer.c). Raw structs in host order, no banner,
// no version. CRIU 4.2 widened the page count, so two layouts of the header are about; see parse_header().

#include <cstddef>
#include <cstdint>
#include <span>

namespace frazil::page {

constexpr uint64_t kPageSize = 4096;

enum class Command : uint32_t {
  add = 1,     // before 3.0: ADD_F with PRESENT
  hole = 2,    // before 3.0: ADD_F with PARENT
  open = 3,    // OPEN2 without an answer
  open2 = 4,   // starts an image; answered with one byte: has it a parent?
  parent = 5,  // the same question alone; answered with an int32
  add_f = 6,   // a run; its flags are in the upper half of `cmd`
  get = 7,     // lazy pages only
  close = 0x1023,
  force_close = 0x1024,  // CRIU got the socket ready made (ps.fd)
};

// Flags of a run, as in pagemap images (criu/include/pagemap.h).
constexpr uint32_t kParent = 1;
constexpr uint32_t kLazy = 2;
constexpr uint32_t kPresent = 4;
constexpr uint32_t kKnownFlags = kParent | kLazy | kPresent;

enum class HeaderForm : uint8_t { unknown, narrow, wide };  // CRIU up to 4.1: 24 bytes; from 4.2: 32 bytes
constexpr size_t kNarrowBytes = 24;
constexpr size_t kWideBytes = 32;

struct NarrowHeader {
  uint32_t cmd;
  uint32_t nr_pages;
  uint64_t vaddr;
  uint64_t dst_id;
};
struct WideHeader {
  uint32_t cmd;
  uint32_t padding;
  uint64_t nr_pages;
  uint64_t vaddr;
  uint64_t dst_id;
};
static_assert(sizeof(NarrowHeader) == kNarrowBytes);
static_assert(sizeof(WideHeader) == kWideBytes);

// Which image a message is about: the memory of a task (by the pid in its own namespace) or a shared memory object.
struct ImageId {
  enum class Kind : uint8_t { task, shmem } kind;
  uint64_t id;
  bool operator==(const ImageId&) const = default;
};

struct Header {
  Command command;
  uint32_t flags;
  uint64_t pages;
  uint64_t vaddr;  // for shared memory: the offset in the object
  uint64_t dst_id;
};

// A dump opens with OPEN2 or PARENT, whose count and address are 0 and whose id is not. Byte 16 on is the address in the wide form
// and the id in the narrow one: the first 24 bytes of a connection tell the forms apart. Unless it closes at once, which is the
// same in both: `unknown`.
HeaderForm detect_form(std::span<const std::byte, kNarrowBytes> first) noexcept;

// The same of a peer that wants pages: it opens with GET, or with PARENT or a close. Byte 8 on of a GET is the address in the narrow form and
// the count in the wide one, which is far below a page's size in pages.
HeaderForm detect_asking_form(std::span<const std::byte, kNarrowBytes> first) noexcept;

constexpr size_t length_of(HeaderForm form) noexcept { return form == HeaderForm::wide ? kWideBytes : kNarrowBytes; }

// Writes length_of(form) bytes. The flags go where parse_header() looks for them.
void put_header(HeaderForm form, const Header& header, std::byte* bytes) noexcept;

// `bytes` holds at least the form's length.
Header parse_header(HeaderForm form, const std::byte* bytes) noexcept;

// False for a type byte that no CRIU has used.
bool decode_id(uint64_t dst_id, ImageId* id) noexcept;

// Overflow-free: the run lies below 2^63 and is not longer than any address space. Its flags are ones that CRIU sends; no other
// command has any.
bool is_plausible(const Header& header) noexcept;

}  // namespace frazil::page
