// CRIU's configuration files: one long option per line without its dashes, the value after white space, `#` to the end of the
// line. CRIU reads them before the command line, so that the command line wins; over RPC a configuration file wins over the
// request instead. The verbs go over RPC, therefore the command line reads the files itself and sends the result.

/** The file's statements as arguments of a command line, in order. Never throws: what is wrong in them is found by getopt. */
export function configArguments(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [name, ...values] = words(line);
    return name === undefined ? [] : [`--${name}`, ...values];
  });
}

// A word is quoted (with \" for a quote inside) or runs to the next white space. A word that begins with # begins a comment.
const WORD = /\s*(?:"((?:\\"|[^"])*)"|(\S+))/y;

function words(line: string): readonly string[] {
  const found: string[] = [];
  WORD.lastIndex = 0;
  for (let match = WORD.exec(line); match !== null; match = WORD.exec(line)) {
    const [, quoted, plain] = match;
    if (plain?.startsWith('#') === true) break;
    found.push(quoted?.replaceAll('\\"', '"') ?? plain ?? '');
  }
  return found;
}
