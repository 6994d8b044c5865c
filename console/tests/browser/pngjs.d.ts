// What is used of pngjs, which brings no types.
declare module 'pngjs' {
  const pngjs: { PNG: { sync: { read(bytes: Buffer): { width: number; height: number; data: Buffer } } } };
  export default pngjs;
}
