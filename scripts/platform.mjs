/** The name of this platform's folder in prebuilds/: <platform>-<arch>, on Linux with -glibc or -musl. */
export function platformFolder() {
  const { platform, arch } = process
  if (platform !== 'linux') return `${platform}-${arch}`
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  return `${platform}-${arch}-${libc}`
}
