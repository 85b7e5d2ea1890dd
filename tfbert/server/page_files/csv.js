/** CSV as in RFC 4180: read strictly, written so that no spreadsheet runs what is in it. */

const MOST_BYTES = 64 << 20;
const DELIMITERS = /[,\r\n]/g;

/**
 * Read the bytes of a CSV with a header.
 *
 * Returns `columns`, the names in the header, and `rows`, arrays of as many strings. Blank lines are skipped.
 *
 * Throws an Error that says in one line what is wrong with the file.
 */
export function readCsv(bytes) {
  if (bytes.byteLength > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES >> 20} MB; cut it into parts`);
  const [header, ...rows] = records(decode(bytes));
  if (!header) throw new Error("it is empty");
  if (!rows.length) throw new Error("it has no rows below its header");
  for (const { line, fields } of rows) {
    if (fields.length !== header.fields.length) {
      const counts = `${fields.length} fields and the header ${header.fields.length}`;
      throw new Error(`the row on line ${line} has ${counts}; a text with commas or quotes belongs in double quotes`);
    }
  }
  return { columns: header.fields, rows: rows.map((row) => row.fields) };
}

function decode(bytes) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // drops a byte order mark
  } catch {
    throw new Error("it is not UTF-8; save it again as CSV UTF-8");
  }
  if (text.includes("\0")) throw new Error("it holds NUL bytes, so it is no text; save it again as CSV UTF-8");
  if (/^\s*<(!doctype|html)\b/i.test(text)) throw new Error("it is a web page, no CSV");
  return text;
}

/** The records of a CSV's text, each with the line it starts on. */
function records(text) {
  const found = [];
  let at = 0;
  let line = 1;

  function quoted() {
    const start = at;
    let value = "";
    for (;;) {
      const end = text.indexOf('"', at + 1);
      if (end < 0) throw new Error(`the quote of a field that starts on line ${line} is never closed`);
      value += text.slice(at + 1, end);
      at = end + 1;
      if (text[at] !== '"') break;
      value += '"';
    }
    if (at < text.length && !",\r\n".includes(text[at])) {
      throw new Error(`on line ${line} something follows a field's closing quote; double the quotes inside a field`);
    }
    line += lineEnds(text.slice(start, at));
    return value;
  }

  function plain() {
    DELIMITERS.lastIndex = at;
    const end = DELIMITERS.exec(text)?.index ?? text.length;
    const value = text.slice(at, end);
    at = end;
    return value;
  }

  while (at < text.length) {
    const record = { line, fields: [] };
    for (;;) {
      record.fields.push(text[at] === '"' ? quoted() : plain());
      if (text[at] !== ",") break;
      at++;
    }
    at += text.startsWith("\r\n", at) ? 2 : 1;
    line++;
    if (record.fields.length > 1 || record.fields[0]) found.push(record);
  }
  return found;
}

function lineEnds(text) {
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

/** Write rows of cells, strings or numbers, as CSV. */
export function writeCsv(rows) {
  // Spreadsheets take a file for UTF-8 by its byte order mark.
  return "\ufeff" + rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value) {
  const text = guarded(String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A spreadsheet runs a cell that begins like this as a formula, unless it is a number. */
function guarded(text) {
  return /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? `'${text}` : text;
}
