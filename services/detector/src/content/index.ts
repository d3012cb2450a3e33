import { nothing, type ContentKind, type Document, type Source, type Span } from './document.ts'
import { detectExfiltration } from './exfiltration.ts'
import { feature } from './features.ts'
import { detectHidden } from './hidden.ts'
import { detectDirectory, detectEntity } from './injection.ts'
import { inspection, type Inspection } from './inspection.ts'
import { detectInstruction } from './instruction.ts'
import { detectMarkup } from './markup.ts'
import { detectNosql } from './nosql.ts'
import { detectTraversal } from './path.ts'
import type { Role } from './roles.ts'
import { detectShell } from './shell.ts'
import { detectSql } from './sql.ts'
import { detectTemplate } from './template.ts'
import { detectSsrf } from './url.ts'

/** A finding and the document it lies in. */
export interface PlacedFinding extends Span {
  readonly document: Document
}

interface Detector {
  readonly kind: ContentKind
  readonly sources: readonly Source[]
  /** Roles of arguments in which the grammar is everyday use. */
  readonly except: readonly Role[]
  /** At least one of these features must be there. */
  readonly needs: number
  /** Pure and linear in the length of the text. */
  readonly detect: (found: Inspection) => Span
}

const all: readonly Source[] = ['argument', 'description', 'result', 'prompt']
const argument: readonly Source[] = ['argument']
const { quote, semicolon, pipe, ampersand, angle, dollar, brace, percent, hash, backslash, slash, colon } =
  feature
const { paren, equals, comma, newline, at, bracket, dash, dot, tilde, star, rare, run } = feature
const decodable = percent | ampersand | backslash | rare | run

const detectors: readonly Detector[] = [
  {
    kind: 'sqli',
    sources: argument,
    except: ['command', 'code'],
    needs: quote | semicolon | hash | paren | equals | comma | dash | pipe | at | star | decodable,
    detect: detectSql,
  },
  {
    kind: 'nosqli',
    sources: argument,
    except: ['command', 'code', 'text'],
    needs: dollar | pipe | quote | decodable,
    detect: detectNosql,
  },
  {
    kind: 'shell',
    sources: argument,
    except: ['code', 'query', 'title'],
    needs:
      semicolon |
      pipe |
      angle |
      dollar |
      brace |
      quote |
      newline |
      slash |
      paren |
      dash |
      equals |
      dot |
      decodable,
    detect: detectShell,
  },
  {
    kind: 'traversal',
    sources: argument,
    except: ['command', 'code', 'query', 'text'],
    needs: slash | dot | tilde | colon | equals | decodable,
    detect: detectTraversal,
  },
  {
    kind: 'ssrf',
    sources: argument,
    except: ['command', 'code', 'query', 'text'],
    needs: colon,
    detect: detectSsrf,
  },
  {
    kind: 'template',
    sources: argument,
    except: ['command', 'code', 'query'],
    needs: brace | dollar | hash | at | angle | bracket | decodable,
    detect: detectTemplate,
  },
  {
    kind: 'markup',
    sources: argument,
    except: ['command', 'code', 'query'],
    needs: angle | equals | paren | colon | decodable,
    detect: detectMarkup,
  },
  {
    kind: 'entity',
    sources: ['argument', 'result'],
    except: ['command', 'query'],
    needs: angle | decodable,
    detect: detectEntity,
  },
  {
    kind: 'directory',
    sources: argument,
    except: ['command', 'code', 'query', 'text', 'path', 'url'],
    needs: paren | decodable,
    detect: detectDirectory,
  },
  {
    kind: 'exfiltration',
    sources: ['argument', 'result'],
    except: ['code'],
    needs: colon | equals | dash | run,
    detect: detectExfiltration,
  },
  { kind: 'hidden', sources: all, except: [], needs: rare, detect: detectHidden },
  {
    kind: 'instruction',
    sources: ['description', 'result', 'prompt'],
    except: [],
    needs: -1,
    detect: detectInstruction,
  },
]

/** The weakest finding that rules are shown. */
const least = 0.5
const bySource = new Map(
  all.map(source => [source, detectors.filter(each => each.sources.includes(source))] as const),
)

function judge(found: Inspection, detector: Detector): Span {
  if ((found.features & detector.needs) === 0 || detector.except.includes(found.role)) return nothing
  return detector.detect(found)
}

/** The strongest finding of each kind over all texts of an event, unless it is weaker than `weakest`. */
export function inspect(
  documents: readonly Document[],
  weakest: number = least,
): ReadonlyMap<ContentKind, PlacedFinding> {
  const best = new Map<ContentKind, PlacedFinding>()
  for (const document of documents) {
    const found = inspection(document)
    for (const detector of bySource.get(document.source) ?? []) {
      const span = judge(found, detector)
      if (span.score < weakest || span.score <= (best.get(detector.kind)?.score ?? 0)) continue
      const end = Math.min(span.end, document.text.length)
      best.set(detector.kind, { score: span.score, start: Math.min(span.start, end), end, document })
    }
  }
  return best
}
