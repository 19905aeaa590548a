#include "page/wire.h"

#include <cstring>

namespace frazil::page {
namespace {

// 47 to 57 bits of user address space, and files below 2^63: nothing legitimate is larger.
constexpr uint64_t kMaxBytes = uint64_t{1} << 62;
constexpr uint32_t kFlagShift = 16;

}  // namespace

HeaderForm detect_form(std::span<const std::byte, kNarrowBytes> first) noexcept {
  NarrowHeader header;
  std::memcpy(&header, first.data(), sizeof header);
  if (header.dst_id != 0) return HeaderForm::narrow;
  const auto command = static_cast<Command>(header.cmd);
  return command == Command::close || command == Command::force_close ? HeaderForm::unknown : HeaderForm::wide;
}

HeaderForm detect_asking_form(std::span<const std::byte, kNarrowBytes> first) noexcept {
  NarrowHeader header;
  std::memcpy(&header, first.data(), sizeof header);
  if (static_cast<Command>(header.cmd) != Command::get) return detect_form(first);
  return header.vaddr % kPageSize == 0 ? HeaderForm::narrow : HeaderForm::wide;
}

void put_header(HeaderForm form, const Header& header, std::byte* bytes) noexcept {
  const uint32_t cmd = static_cast<uint32_t>(header.command) | header.flags << kFlagShift;
  if (form == HeaderForm::wide) {
    const WideHeader wide{cmd, 0, header.pages, header.vaddr, header.dst_id};
    std::memcpy(bytes, &wide, sizeof wide);
  } else {
    const NarrowHeader narrow{cmd, static_cast<uint32_t>(header.pages), header.vaddr, header.dst_id};
    std::memcpy(bytes, &narrow, sizeof narrow);
  }
}

Header parse_header(HeaderForm form, const std::byte* bytes) noexcept {
  uint32_t cmd;
  Header header{};
  if (form == HeaderForm::wide) {
    WideHeader wide;
    std::memcpy(&wide, bytes, sizeof wide);
    cmd = wide.cmd;
    header = {Command{}, 0, wide.nr_pages, wide.vaddr, wide.dst_id};
  } else {
    NarrowHeader narrow;
    std::memcpy(&narrow, bytes, sizeof narrow);
    cmd = narrow.cmd;
    header = {Command{}, 0, narrow.nr_pages, narrow.vaddr, narrow.dst_id};
  }
  header.command = static_cast<Command>(cmd & 0xffff);
  header.flags = cmd >> kFlagShift;
  if (header.command == Command::add) header = {Command::add_f, kPresent, header.pages, header.vaddr, header.dst_id};
  if (header.command == Command::hole) header = {Command::add_f, kParent, header.pages, header.vaddr, header.dst_id};
  return header;
}

bool decode_id(uint64_t dst_id, ImageId* id) noexcept {
  // 1 and 2 since CRIU 3.12; older peers used the numbers of their image descriptors.
  const uint64_t value = dst_id >> 8;
  switch (dst_id & 0xff) {
    case 1:
    case 10:
    case 11:
    case 16:
    case 17:
      *id = {ImageId::Kind::task, value};
      return true;
    case 2:
    case 27:
    case 28:
    case 29:
    case 32:
    case 33:
    case 34:
      *id = {ImageId::Kind::shmem, value};
      return true;
    default:
      return false;
  }
}

bool is_plausible(const Header& header) noexcept {
  if (header.command != Command::add_f) return header.flags == 0;
  if (header.vaddr % kPageSize != 0 || header.vaddr >= kMaxBytes) return false;
  if (header.pages == 0 || header.pages > kMaxBytes / kPageSize) return false;
  // A run without any flag is nowhere; one that is both here and in the parent would be looked for there, and what came with it
  // would shift all that follows in the pages file.
  if (header.flags == 0 || (header.flags & ~kKnownFlags) != 0) return false;
  return (header.flags & (kParent | kPresent)) != (kParent | kPresent);
}

}  // namespace frazil::page
