/**
 * Finds the functions of a C++ or TypeScript source by its braces: a block whose head has a parameter list is a
 * function, a block of a namespace, class, enum or object literal is not. Functions inside a function count as part
 * of it.
 */

export interface FunctionSpan {
  /** The text before the opening brace, on one line. */
  head: string
  /** The line of the opening brace, from 1. */
  line: number
  /** The number of lines from the start of the head to the closing brace. */
  lines: number
}

const containerHead = new RegExp(
  String.raw`^(?:template\s*<.*>\s*)?(?:(?:export|default|abstract|declare|inline)\s+)*` +
    String.raw`(?:namespace|class|struct|union|enum|extern|interface|type)\b`
)

/** Comments, raw strings of C++, strings, character literals (not the separators of 1'000), templates of TypeScript. */
const literals = [
  /\/\/[^\n]*/,
  /\/\*[\s\S]*?\*\//,
  /R"(\w*)\([\s\S]*?\)\1"/,
  /"(?:\\.|[^"\\\n])*"/,
  /(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'/,
  /`(?:\\.|[^`\\])*`/
]
const literal = new RegExp(literals.map((part) => part.source).join('|'), 'g')

/** The source with comments, strings and character literals blanked; line ends stay. */
export function blankLiterals(source: string): string {
  return source.replace(literal, (text) => text.replace(/[^\n]/g, ' '))
}

/** Whether a block that opens after `head` is the body of a function. */
function opensFunction(head: string): boolean {
  const isContainer = containerHead.test(head) && !/\)(?:\s*(?:const|noexcept|override|final))*$/.test(head)
  return !isContainer && (/\)/.test(head) || /=>$/.test(head))
}

/** The functions of a source, in the order of their ends. */
export function functionsOf(source: string): FunctionSpan[] {
  const text = blankLiterals(source)
  const found: FunctionSpan[] = []
  const open: { head: string; line: number; startLine: number; isFunction: boolean }[] = []
  let line = 1
  let headStart = 0
  let headLine = 1
  let depthInParentheses = 0
  const startHead = (at: number): void => {
    headStart = at + 1
    headLine = line
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '\n') {
      line++
      if (text.slice(headStart, i).trim() === '') headLine = line
      // A preprocessor line is no head.
      if (/^\s*#/.test(text.slice(headStart, i)) && text[i - 1] !== '\\') startHead(i)
    } else if (c === '(') depthInParentheses++
    else if (c === ')') depthInParentheses--
    else if (c === '{') {
      const head = text.slice(headStart, i).trim().replace(/\s+/g, ' ')
      open.push({ head, line, startLine: headLine, isFunction: opensFunction(head) })
      startHead(i)
    } else if (c === '}') {
      const block = open.pop()
      const isOutermost = block?.isFunction && !open.some((outer) => outer.isFunction)
      if (block && isOutermost) found.push({ head: block.head, line: block.line, lines: line - block.startLine + 1 })
      startHead(i)
    } else if (c === ';' && depthInParentheses === 0) startHead(i)
  }
  return found
}
