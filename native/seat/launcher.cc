// `frazil-runc`: a runc for engines (docs/runtimes.md). They call it many times, with an empty environment and PATH, and for nearly
// everything it becomes the real runtime at once. Only checkpoint and restore, in which Frazil takes a part, become
// `frazil runc` with the same arguments. Nothing else is read of the command line: its errors are the runtime's to find.
//
// The runtime is looked for where src/runtime/locate.ts does: FRAZIL_RUNC, the private prefix, PATH, the usual folders. Node is the one
// that built us; scripts/install.mjs has written its path beside this program. There is no C library in it: bare.h says why.

#include <sys/syscall.h>

#include <cstdlib>

#include "seat/bare.h"

namespace {

using frazil::bare::Path;
using std::string_view;

constexpr string_view kFolders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};
// Global options whose value is a word of its own.
constexpr string_view kWithValue[] = {"log", "log-format", "root", "criu", "rootless", "cgroup-manager"};
constexpr char kOwn[] = "/proc/self/exe";
constexpr char kUsers[] = "/etc/passwd";
constexpr size_t kLargestUsers = 64 * 1024;

char** environment = nullptr;

struct Reason {
  long number;
  string_view text;
};
constexpr Reason kReasons[] = {
    {ENOENT, "No such file or directory"}, {EACCES, "Permission denied"},     {ENOEXEC, "Exec format error"},
    {ENOTDIR, "Not a directory"},          {E2BIG, "Argument list too long"}, {ENOMEM, "Cannot allocate memory"},
};

string_view reason_of(long number) noexcept {
  for (const Reason& reason : kReasons)
    if (reason.number == number) return reason.text;
  return "Unexpected error";
}

[[noreturn]] void fail(string_view what, string_view path, long number) noexcept {
  for (const string_view part : {string_view("Error (frazil-runc): cannot "), what, string_view(" \""), path,
                                 string_view("\": "), reason_of(number), string_view("\n")})
    frazil::bare::say(part);
  frazil::bare::exit(EXIT_FAILURE);
}

long address(const void* pointer) noexcept { return reinterpret_cast<long>(pointer); }

// Empty counts as absent, as in every shell tool.
string_view variable(string_view name) noexcept {
  for (char** each = environment; *each != nullptr; ++each) {
    const string_view entry = *each;
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
      return {*each + name.size() + 1, entry.size() - name.size() - 1};
  }
  return {};
}

void read_own_path(Path& own) noexcept {
  static char text[PATH_MAX];
  const long length = frazil::bare::call(SYS_readlinkat, AT_FDCWD, address(kOwn), address(text), sizeof text - 1);
  if (length > 0) own += {text, static_cast<size_t>(length)};
}

// A program, and not this one under another name: that would start itself for ever.
bool is_runtime(const char* path) noexcept {
  struct statx file = {};
  struct statx own = {};
  if (frazil::bare::call(SYS_faccessat, AT_FDCWD, address(path), 1 /* X_OK */) != 0) return false;
  if (!frazil::bare::look_at(path, file) || (file.stx_mode & S_IFMT) != S_IFREG) return false;
  if (!frazil::bare::look_at(kOwn, own)) return true;
  return own.stx_dev_major != file.stx_dev_major || own.stx_dev_minor != file.stx_dev_minor ||
         own.stx_ino != file.stx_ino;
}

// What stands up to the next `end`, which is taken away with it.
string_view next(string_view& rest, char end) noexcept {
  const char* from = rest.data();
  const size_t at = rest.find(end);
  const size_t length = at == string_view::npos ? rest.size() : at;
  rest.remove_prefix(length + (at == string_view::npos ? 0 : 1));
  return {from, length};
}

bool is_number(string_view text, long number) noexcept {
  long value = 0;
  for (const char digit : text) value = value * 10 + (digit - '0');
  return !text.empty() && value == number;
}

// NAME:PASSWORD:UID:GID:TEXT:HOME:SHELL
string_view home_of(long user) noexcept {
  static char text[kLargestUsers];
  const long size = frazil::bare::read_file(kUsers, text, sizeof text);
  string_view rest(text, size < 0 ? 0 : static_cast<size_t>(size));
  while (!rest.empty()) {
    string_view line = next(rest, '\n');
    (void)next(line, ':');
    (void)next(line, ':');
    if (!is_number(next(line, ':'), user)) continue;
    (void)next(line, ':');
    (void)next(line, ':');
    return next(line, ':');
  }
  return {};
}

void add_frazil_home(Path& path) noexcept {
  if (const string_view home = variable("FRAZIL_HOME"); !home.empty()) {
    path += home;
    return;
  }
  if (const string_view cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    (path += cache) += "/frazil";
    return;
  }
  const string_view home = variable("HOME");
  (path += home.empty() ? home_of(frazil::bare::call(SYS_getuid)) : home) += "/.cache/frazil";
}

bool is_in(string_view folder, Path& found) noexcept {
  found.cut(0);
  (found += folder) += "/runc";
  return is_runtime(found.c_str());
}

bool is_in_prefix(string_view folder, Path& found) noexcept {
  static Path prefix;
  prefix.cut(0);
  add_frazil_home(prefix);
  prefix += folder;
  return is_in(prefix.view(), found);
}

void find_runtime(Path& found) noexcept {
  if (const string_view named = variable("FRAZIL_RUNC"); !named.empty()) {
    found += named;
    return;
  }
  if (is_in_prefix("/runtimes/usr/sbin", found) || is_in_prefix("/runtimes/usr/bin", found)) return;
  string_view path = variable("PATH");
  while (!path.empty()) {
    const string_view folder = next(path, ':');
    // A relative one would depend on where an engine happens to be.
    if (folder.starts_with('/') && is_in(folder, found)) return;
  }
  for (const string_view folder : kFolders)
    if (is_in(folder, found)) return;
  fail("find", "runc", ENOENT);
}

// The first word that is neither an option nor the value of one.
string_view subcommand(int argc, char** argv) noexcept {
  for (int i = 1; i < argc; ++i) {
    string_view word = argv[i];
    if (word.size() < 2 || word.front() != '-' || word == "--") return word;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    for (const string_view option : kWithValue)
      if (word == option) ++i;
  }
  return {};
}

[[noreturn]] void become(Path& file, char** argv, char** env) noexcept {
  const long failure = frazil::bare::call(SYS_execve, address(file.c_str()), address(argv), address(env));
  fail("start", file.view(), -failure);
}

// Room for pointers, `lead` of them free, then those of `from` that do not begin with `without`, then a null.
char** behind(size_t lead, char** from, string_view without = {}) noexcept {
  size_t count = 0;
  while (from[count] != nullptr) ++count;
  char** all = frazil::bare::pointers(lead + count + 1);
  if (all == nullptr) fail("start", "runc", ENOMEM);
  char** to = all + lead;
  for (; *from != nullptr; ++from)
    if (without.empty() || !string_view(*from).starts_with(without)) *to++ = *from;
  return all;
}

// `frazil runc` in the Node that built us: build/Release/frazil-runc of the package.
[[noreturn]] void become_frazil(string_view runtime, char** argv) noexcept {
  static Path own, node, program, named;
  static char verb[] = "runc";
  read_own_path(own);
  (program += own.view()).cut(own.view().rfind('/'));
  program += "/../../dist/cli/main.js";
  own += ".node";
  static char text[PATH_MAX];
  const long length = frazil::bare::read_file(own.c_str(), text, sizeof text - 1);
  if (length <= 0) fail("read", own.view(), length < 0 ? -length : ENOENT);
  node += {text, static_cast<size_t>(length)};
  char** arguments = behind(3, argv);
  arguments[0] = node.data();
  arguments[1] = program.data();
  arguments[2] = verb;
  named += "FRAZIL_RUNC=";
  char** env = behind(1, environment, named.view());
  env[0] = (named += runtime).data();
  become(node, arguments, env);
}

}  // namespace

int launch(int argc, char** argv, char** variables) noexcept {
  static Path runtime;
  environment = variables;
  find_runtime(runtime);
  const string_view word = subcommand(argc, argv);
  char** arguments = argc > 0 ? argv + 1 : argv;
  if (word == "checkpoint" || word == "restore") become_frazil(runtime.view(), arguments);
  char** own = behind(1, arguments);
  own[0] = runtime.data();
  become(runtime, own, environment);
}
