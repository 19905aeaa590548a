// The direction of imports of design.md section 3: arrows only to the right, no cycles.
// cli -> bench, migrate, runtime, oci, cri, podman -> archive, criu -> rpc, images, pages -> options, addon, schema -> errors
const layers = [
  ['errors'],
  ['options', 'addon', 'schema'],
  ['rpc', 'images', 'pages'],
  ['archive', 'criu'],
  ['bench', 'migrate', 'runtime', 'oci', 'cri', 'podman'],
  ['cli'],
];
const upward = layers.slice(0, -1).map((names, i) => ({
  name: `${names.join('-')}-imports-only-below`,
  comment: 'Arrows of design.md section 3 point one way',
  severity: 'error',
  from: { path: `^src/(${names.join('|')})/` },
  to: {
    path: `^src/(${layers
      .slice(i + 1)
      .flat()
      .join('|')})/`,
  },
}));
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...upward,
    {
      name: 'only-addon-loads-the-addon',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/addon/' },
      to: { path: '\\.node$' },
    },
    {
      name: 'index-is-for-users',
      severity: 'error',
      from: { path: '^src/(?!index|cli)' },
      to: { path: '^src/index\\.ts$' },
    },
    {
      name: 'protobuf-stays-below',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/schema/' },
      to: { path: 'node_modules/protobufjs' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: '(index|main)\\.ts$' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
