// The arrays of the page: base64 of deflated bytes, the bytes of a number apart, by significance.

const HALF = (() => { // all 65,536 half-precision numbers
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    table[bits] = bits & 0x8000 ? -size : size;
  }
  return table;
})();

async function inflate({ type, shape, data }) {
  const text = atob(data);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  return { shape, values: numbers(type, planes) };
}

function numbers(type, planes) {
  if (type === "u8") return planes;
  const width = type === "f16" ? 2 : 4;
  const count = planes.length / width;
  if (type === "f16") {
    return Float32Array.from({ length: count }, (_, i) => HALF[planes[i] | (planes[count + i] << 8)]);
  }
  const bytes = new Uint8Array(planes.length);
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < width; b++) bytes[width * i + b] = planes[count * b + i];
  }
  return new Float32Array(bytes.buffer);
}

// The numbers of one index of the first axis; undefined where there is no such index.
function partOf({ shape, values }, index) {
  const size = shape.slice(1).reduce((a, b) => a * b);
  return index < shape[0] ? values.subarray(index * size, (index + 1) * size) : undefined;
}

async function inflateAll(packed) {
  const names = Object.keys(packed);
  const made = await Promise.all(names.map((name) => inflate(packed[name])));
  return Object.fromEntries(names.map((name, i) => [name, made[i]]));
}
