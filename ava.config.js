// The tests are TypeScript in test/, compiled by `npm run build:tests` into dist-test/. They run in the repository's
// root, so a path such as 'test/golden' is found from there.
export default {
  files: ['dist-test/test/**/*.test.js'],
  concurrency: 2,
  timeout: '10m',
  workerThreads: true
}
