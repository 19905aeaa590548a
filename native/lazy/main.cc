// frazil-lazy: the process that fills the memory of restored trees. docs/design/lazy-restore.md.
//
// Started by Frazil only (src/criu/lazy/service.ts), with descriptors at numbers that it names: no path and no option of a user
// arrives here.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <new>
#include <string_view>

#include "archive/archive_pages.h"
#include "lazy/server.h"
#include "page/directory_source.h"
#include "page/joined_source.h"
#include "page/peer_source.h"

namespace frazil::lazy {
namespace {

constexpr int kMisuse = 2;

struct Arguments {
  ServerOptions server;
  int board = -1;
  int directory = -1;
  int archive = -1;  // its pages are in there, and not in the directory
  int places = -1;   // at these places
  int peer = -1;     // its pages are there, and neither in the directory nor in an archive
  int chain =
      -1;  // its pages are in this images directory and its parents; with a peer those that are not present in the directory
  int replay = -1;
  uint64_t cache_bytes = 0;  // of frames of the archive that are kept decompressed
};

bool take(Arguments& arguments, std::string_view name, int value) noexcept {
  ServerOptions& server = arguments.server;
  if (name == "control")
    server.control = value;
  else if (name == "log")
    server.log = value;
  else if (name == "work")
    server.work = value;
  else if (name == "record")
    server.record = value;
  else if (name == "trees")
    server.trees = static_cast<unsigned>(value);
  else if (name == "faulters")
    server.faulters = static_cast<unsigned>(value);
  else if (name == "fillers")
    server.fillers = static_cast<unsigned>(value);
  else if (name == "kibps")
    server.bytes_per_second = static_cast<uint64_t>(value) << 10;
  else if (name == "outlive")
    server.outlive = value != 0;
  else if (name == "board")
    arguments.board = value;
  else if (name == "directory")
    arguments.directory = value;
  else if (name == "archive")
    arguments.archive = value;
  else if (name == "places")
    arguments.places = value;
  else if (name == "peer")
    arguments.peer = value;
  else if (name == "chain")
    arguments.chain = value;
  else if (name == "replay")
    arguments.replay = value;
  else if (name == "cachekib")
    arguments.cache_bytes = static_cast<uint64_t>(value) << 10;
  else
    return false;
  return true;
}

// NAME=NUMBER each.
bool parse(int argc, char** argv, Arguments* arguments) noexcept {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    const size_t equals = word.find('=');
    int value = 0;
    const char* const end = word.data() + word.size();
    if (equals == std::string_view::npos) return false;
    const auto read = std::from_chars(word.data() + equals + 1, end, value);
    if (read.ec != std::errc() || read.ptr != end || value < 0) return false;
    if (!take(*arguments, word.substr(0, equals), value)) return false;
  }
  const ServerOptions& server = arguments->server;
  return server.control >= 0 && server.work >= 0 && arguments->board >= 0 && arguments->directory >= 0 &&
         (arguments->archive >= 0) == (arguments->places >= 0) && (arguments->peer < 0 || arguments->archive < 0) &&
         server.trees > 0 && server.faulters > 0 && server.fillers > 0;
}

// Shared with the caller, who made the file and reads it.
Result<Board*> map_board(int fd) noexcept {
  if (::ftruncate(fd, sizeof(Board)) == -1) return SysError{errno, "ftruncate"};
  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return SysError{errno, "mmap"};
  auto* board = new (memory) Board{};
  board->version = kVersion;
  return board;
}

Result<Notes*> map_notes() noexcept {
  void* memory = ::mmap(nullptr, sizeof(Notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return SysError{errno, "mmap"};
  return new (memory) Notes{};
}

// Null for a directory that has its pages itself.
Result<std::unique_ptr<page::PagesPlace>> open_place(const Arguments& arguments) noexcept {
  if (arguments.archive < 0) return std::unique_ptr<page::PagesPlace>();
  auto places = archive::read_places(arguments.places);
  if (!places.ok()) return places.error();
  auto stream = archive::StreamFile::open(UniqueFd(arguments.archive), arguments.cache_bytes);
  if (!stream.ok()) return stream.error();
  return std::unique_ptr<page::PagesPlace>(
      new archive::ArchivePages(std::move(stream).value(), std::move(places).value()));
}

Result<std::unique_ptr<page::Source>> join(std::unique_ptr<page::Source> peer, const Arguments& arguments) noexcept {
  UniqueFd directory(::fcntl(arguments.directory, F_DUPFD_CLOEXEC, 0));
  if (!directory) return SysError{errno, "fcntl"};
  auto chain = std::make_unique<page::DirectorySource>(std::move(directory), nullptr, UniqueFd(arguments.chain));
  return std::unique_ptr<page::Source>(new page::JoinedSource(std::move(peer), std::move(chain)));
}

Result<std::unique_ptr<page::Source>> open_source(const Arguments& arguments) noexcept {
  if (arguments.peer >= 0) {
    auto peer = page::PeerSource::open(UniqueFd(arguments.peer), UniqueFd(arguments.directory));
    if (!peer.ok()) return peer.error();
    if (arguments.chain < 0) return std::unique_ptr<page::Source>(std::move(peer).value());
    return join(std::move(peer).value(), arguments);
  }
  auto place = open_place(arguments);
  if (!place.ok()) return place.error();
  return std::unique_ptr<page::Source>(
      new page::DirectorySource(UniqueFd(arguments.directory), std::move(place).value(), UniqueFd(arguments.chain)));
}

struct Service {
  std::unique_ptr<page::Source> source;
  Board& board;
  Notes& notes;
  int guardian;
};

Result<Exit> serve(Arguments& arguments, Service service) noexcept {
  service.board.server_pid = static_cast<uint32_t>(::getpid());
  if (arguments.replay >= 0) {
    auto order = read_order(arguments.replay);
    if (!order.ok()) return order.error();
    arguments.server.replay = std::move(order).value();
  }
  auto server = Server::open(arguments.server, std::move(service.source), service.board, service.notes);
  if (!server.ok()) return server.error();
  return server.value()->run(service.guardian);
}

int start(Arguments& arguments) noexcept {
  const Mouth mouth{arguments.server.control, arguments.server.log};
  const auto fail = [&](SysError error, Fault fault = Fault::system) {
    say(mouth, Verdict::plain(Event::failed, fault, error));
    return static_cast<int>(Exit::failed);
  };
  // A process group of its own, which the caller gave us, keeps the keys of his terminal away. Not a session: the scheduler would give
  // it a share of its own, beside that of the tree (sched_autogroup).
  (void)::signal(SIGPIPE, SIG_IGN);
  auto board = map_board(arguments.board);
  if (!board.ok()) return fail(board.error());
  auto notes = map_notes();
  if (!notes.ok()) return fail(notes.error());
  notes.value()->peer = arguments.peer;
  auto guardian = split(*notes.value(), mouth);
  if (!guardian.ok()) return fail(guardian.error());
  auto source = open_source(arguments);
  if (!source.ok()) return fail(source.error(), arguments.peer < 0 ? Fault::system : Fault::source);
  const auto ended =
      serve(arguments, {std::move(source).value(), *board.value(), *notes.value(), guardian.value().get()});
  return ended.ok() ? static_cast<int>(ended.value()) : fail(ended.error());
}

}  // namespace
}  // namespace frazil::lazy

int main(int argc, char** argv) {
  frazil::lazy::Arguments arguments;
  if (!frazil::lazy::parse(argc, argv, &arguments)) return frazil::lazy::kMisuse;
  // Without destructors: what the guardian shares with us is closed by the kernel, when both have ended.
  ::_exit(frazil::lazy::start(arguments));
}
