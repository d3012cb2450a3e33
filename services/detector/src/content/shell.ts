import { nothing as noSpan, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'
import { isSentence, withoutQuotedCode } from './prose.ts'
import type { Role } from './roles.ts'
import { commandOf, shellStages, type Stage } from './shell-stages.ts'

const longest = 4096
const hint =
  /[;|&`\n<>(){}]|\\n|\$|%0a|\/(?:etc|dev|bin|usr|root)\b|\.ssh|\b(?:nc|ncat|netcat|chmod|rm|reg|net|crontab|history|unset|export|git|dd|mkfs|useradd|iptables|setenforce|ld_preload|powershell|certutil|eval|exec|system)\b/iu

/** Programs that tell where one is and what is there; they read nothing from a pipe. */
const looking = new Set([
  'id',
  'whoami',
  'env',
  'printenv',
  'pwd',
  'ls',
  'dir',
  'ifconfig',
  'ipconfig',
  'uname',
  'hostname',
  'netstat',
  'ps',
  'who',
  'w',
  'last',
  'systeminfo',
  'type',
  'net',
  'reg',
  'sleep',
  'ping',
  'nslookup',
  'set',
  'ver',
  'arp',
  'route',
  'tasklist',
  'getent',
  'timeout',
])
const viewing = new Set([
  'cat',
  'ls',
  'dir',
  'type',
  'more',
  'less',
  'head',
  'tail',
  'find',
  'tac',
  'nl',
  'strings',
  'od',
  'xxd',
  'cp',
  'tar',
])
const fetching = new Set(['curl', 'wget', 'fetch', 'aria2c', 'lwp-download', 'http'])
const sending = new Set([
  'curl',
  'wget',
  'nc',
  'ncat',
  'netcat',
  'socat',
  'scp',
  'sftp',
  'ftp',
  'ssh',
  'mail',
  'sendmail',
  'mutt',
  'telnet',
  'rsync',
  'openssl',
  'dig',
  'nslookup',
  'xh',
  'http',
])
const interpreters = /^(?:(?:ba|z|da|k|c|fi)?sh|python[\d.]*|perl|ruby|node|php|lua|pwsh|powershell)$/u
const others = new Set([
  'echo',
  'printf',
  'cat',
  'head',
  'tail',
  'cp',
  'mv',
  'rm',
  'touch',
  'chmod',
  'chown',
  'kill',
  'killall',
  'wget',
  'curl',
  'nc',
  'ncat',
  'netcat',
  'telnet',
  'ssh',
  'ftp',
  'tftp',
  'dig',
  'find',
  'grep',
  'sed',
  'awk',
  'xargs',
  'tee',
  'env',
  'export',
  'exit',
  'cmd',
  'powershell',
  'useradd',
  'adduser',
  'passwd',
  'su',
  'sudo',
  'mount',
  'crontab',
  'at',
  'service',
  'systemctl',
  'reboot',
  'shutdown',
  'halt',
  'iptables',
  'dd',
  'mkdir',
  'whois',
  'traceroute',
  'more',
  'less',
  'vi',
  'nano',
  'tar',
  'gcc',
  'make',
  'mail',
  'sendmail',
  'start',
  'del',
  'copy',
  'wmic',
  'schtasks',
  'perl',
  'python',
  'python3',
  'ruby',
  'php',
  'bash',
  'sh',
  'zsh',
  'ksh',
  'csh',
  'awk',
  'base64',
  'uptime',
  'df',
  'du',
  'mysql',
  'psql',
  'msfvenom',
  'sqlite3',
  'test',
  'lynx',
  'vim',
  'ed',
  'nohup',
  'screen',
  'lsof',
  'finger',
  'ldapsearch',
  'smbclient',
  'rpcclient',
  'crackmapexec',
  'busybox',
])
const naming = new Set(['ping', 'nslookup', 'host', 'dig', 'whois', 'traceroute', 'tracert', 'telnet'])

const secretFile =
  /\.ssh\/|id_(?:rsa|ed25519|ecdsa|dsa)|\.aws\/credentials|\.netrc|\.git-credentials|\.kube\/config|\.docker\/config|\/etc\/(?:shadow|sudoers|gshadow)|\.pgpass|\.npmrc|\.pypirc|wallet\.dat|\.gnupg|(?:^|[/=@\s])\.env\b|secrets?\.(?:ya?ml|json)|\.bash_history|credentials\.json|keychain|login\.keychain|repair[\\/](?:sam|system)|config[\\/]sam/iu
const systemPlace =
  /^(?:\/(?:etc|root|proc|sys|boot)(?:\/|$)|\/home\/?\*?$|\/var\/(?:www|log|lib|spool)|\/$|\/\*|[a-z]:[\\/a-z]|%systemroot%|%windir%|\/tmp\/?$|\/usr\/?$|~\/\.)/iu
const harmless =
  /^\/etc\/(?:os-release|hosts|resolv\.conf|timezone|localtime|apt\/|docker\/|alpine-release|lsb-release|debian_version|ssl\/)/u

/** Shapes that are an attack wherever they stand in a command. */
const shapes: readonly (readonly [RegExp, number])[] = [
  [/\/dev\/(?:tcp|udp)\//u, 0.97],
  [
    /\b(?:nc|ncat|netcat)\b[^|;&]{0,80}\s-\w{0,6}[ec]\w{0,3}\s{1,4}(?:\/\S{0,16})?(?:ba|z|da|c|k)?(?:sh|cmd)/u,
    0.96,
  ],
  [/\b(?:ba|z|k|c)?sh\s{1,4}-i\b[^|]{0,60}(?:>&|0>&1|<>|\/dev\/)/u, 0.95],
  [/\(\)\s{0,4}\{\s{0,4}:\s{0,4};?\s{0,4}\}\s{0,4};/u, 0.96],
  [/:\(\)\s{0,4}\{\s{0,4}:\s{0,4}\|\s{0,4}:\s{0,4}&/u, 0.96],
  [/\bmkfifo\b[^;]{0,80}[;|&][^;]{0,120}\b(?:nc|sh|bash|telnet|openssl)\b/u, 0.95],
  [
    /\bpty\.spawn\b|import\s{1,4}(?:os,\s{0,2})?(?:socket|pty)[,;].{0,160}(?:subprocess|dup2|connect|spawn)|fsockopen\s{0,4}\(|use\s{1,4}socket\s{0,4};|tcpsocket\.(?:open|new)/iu,
    0.93,
  ],
  [/\bchmod\s{1,4}(?:-\w{1,4}\s{1,4})?(?:[ugoa]{0,3}\+\w{0,3}s|[0-7]?[4-7][0-7]{3})\b/u, 0.88],
  [
    /\b(?:unset\s{1,4}histfile|histfile=\/dev\/null|histsize=0|history\s{1,4}-[cw])|(?:>|rm\s{1,4}(?:-\w{1,4}\s{1,4})?|shred\s[^;]{0,20}|ln\s{1,4}-\w{1,4}\s{1,4}\/dev\/null\s{1,4})\s{0,4}~?\/?\S{0,40}\.(?:bash|zsh)_history/iu,
    0.92,
  ],
  [
    /\brm\s{1,4}(?:-{1,2}[\w-]{1,24}\s{1,4}){1,4}(?:--\s{1,4})?["']?(?:\/(?:\*|\s|$|(?:etc|var|usr|home|boot|lib|bin|root)(?:\/\*?)?["']?(?:\s|$))|~\/?(?:\*|\s|$)|\$home\/?(?:\*|\s|$))/iu,
    0.93,
  ],
  [
    /\b(?:dd\b[^|;]{0,80}\bof=|>\s{0,4}|mkfs(?:\.\w{2,8})?\s[^|;]{0,40}|shred\s[^|;]{0,40}|wipefs\s[^|;]{0,40})\/dev\/(?:sd|nvme|hd|vd|mapper|disk)/u,
    0.93,
  ],
  [
    /(?:>{1,2}|\btee\b(?:\s{1,4}-a)?)\s{0,4}["']?(?:~|\/\w{1,12}(?:\/\w{1,32})?)?\/?(?:\.ssh\/authorized_keys|etc\/(?:passwd|shadow|sudoers|ld\.so\.preload|cron\S{0,40}|profile|rc\.local|hosts\.allow|systemd\S{0,60}|pam\.d\S{0,30})|var\/spool\/cron\S{0,40})/u,
    0.92,
  ],
  [
    /\|\s{0,4}crontab\s{1,4}-|\bcrontab\s{1,4}-\s{0,4}<|\bld_preload=|\bcore\.hookspath\b[^;]{0,40}(?:\/tmp|\/dev\/shm|\/var\/tmp)/iu,
    0.88,
  ],
  [
    /\bbase(?:64|32)\s{1,4}(?:-d|--decode|-D)\b[^|;]{0,80}\|\s{0,4}(?:sudo\s{1,4})?(?:ba|z|da)?sh\b|\b(?:xxd\s{1,4}-r|rev|gunzip|openssl\s{1,4}\w{1,12}\s{1,4}-d)\b[^|;]{0,80}\|\s{0,4}(?:ba|z|da)?sh\b/u,
    0.93,
  ],
  [
    /\b(?:powershell|pwsh)(?:\.exe)?\b.{0,120}(?:\s-e(?:nc\w{0,14})?\s{1,4}[a-z0-9+/=]{16}|downloadstring|invoke-expression|\biex\b|frombase64string)|\biex\s{0,4}\(|net\.webclient|\bcertutil\b.{0,60}-urlcache|\bbitsadmin\b.{0,60}\/transfer|\bmshta\b\s{1,4}(?:http|javascript|vbscript)|\bregsvr32\b.{0,60}\/i:http|\bvssadmin\b\s{1,4}delete|\bwevtutil\b\s{1,4}cl\b/iu,
    0.93,
  ],
  [/\bnet\s{1,4}(?:user|localgroup)\s[^|;&]{0,80}\/add\b|\breg\s{1,4}add\s{1,4}"?hk(?:lm|cu|ey)/iu, 0.9],
  [
    /\b(?:setenforce\s{1,4}0|iptables\s{1,4}-f\b|ufw\s{1,4}disable|systemctl\s{1,4}(?:stop|disable|mask)\s{1,4}(?:--now\s{1,4})?(?:auditd|rsyslog|syslog|firewalld|falco\w{0,10}|osqueryd|crowdstrike|apparmor|clamav\S{0,12})|auditctl\s{1,4}-[dD]\b|kill(?:all)?\s{1,4}-9\s{1,4}(?:-1\b|auditd|falco)|csrutil\s{1,4}disable|spctl\s{1,4}--master-disable)/iu,
    0.88,
  ],
  [
    /\b(?:useradd|adduser|usermod)\s[^|;&]{0,80}(?:-o\s{0,4}-u\s{0,4}0|-u\s{0,4}0\b|-ag?\s{0,4}(?:sudo|wheel|root|docker))|\bnopasswd\s{0,4}:\s{0,4}all/iu,
    0.9,
  ],
  [/<\?php\s.{0,80}(?:system|exec|eval|passthru|\$_(?:get|post|request|server))/iu, 0.92],
  [/\b(?:xmrig|stratum\+tcp|minerd|mimikatz|metasploit|msfvenom|meterpreter|linpeas|pspy)\b/iu, 0.9],
  [
    /\bdocker\s{1,4}run\b[^;|]{0,120}(?:-v\s{1,4}\/:\/|--privileged[^;|]{0,80}(?:chroot|nsenter)|--pid[= ]host)|\bnsenter\b[^;|]{0,40}(?:-t|--target)\s{0,2}=?1\b|docker\.sock[^;|]{0,60}\/containers/u,
    0.85,
  ],
  [
    /\bsocat\b[^;|]{0,120}exec:|\bgdb\b[^;|]{0,40}-ex\s{1,4}.?!|\bfind\b[^;|]{0,80}-perm\s{1,4}-?(?:u=s|4000|\/4000)/iu,
    0.88,
  ],
]

interface Verdict {
  readonly score: number
  readonly at: number
}

const nothing: Verdict = { score: 0, at: 0 }

function better(best: Verdict, score: number, at: number): Verdict {
  return score > best.score ? { score, at } : best
}

function judgeShapes(text: string): Verdict {
  let best = nothing
  for (const [shape, score] of shapes) {
    if (score <= best.score) continue
    const at = text.search(shape)
    if (at >= 0) best = { score, at }
  }
  return best
}

const isShellArgument = (word: string): boolean =>
  /^(?:-|\/|~|%|\$|>|\d|[a-z]:\\|\.\.?\/|\*|http)/iu.test(word)

const joining = /^(?:;|\|\|?|&&?|\n)$/u
const substituting = new Set(['$(', '`'])
const grouping = new Set(['', '(', ')', '{', '}'])

/** A program where only data belongs, behind a separator. */
function injectedScore(stage: Stage, isOnly: boolean): number {
  const { program, args, isPath } = commandOf(stage)
  if (isPath) return 0.92
  if (looking.has(program) && args.every(isShellArgument)) return 0.88
  if (!others.has(program) && !looking.has(program)) return 0
  if (substituting.has(stage.separator) || args.some(isShellArgument)) return 0.85
  return isOnly && joining.test(stage.separator) ? 0.7 : 0
}

function judgeInjected(stages: readonly Stage[]): Verdict {
  let best = nothing
  const isBare = (stages[0]?.words.length ?? 0) === 0
  for (const [index, stage] of stages.entries()) {
    if (grouping.has(stage.separator) && !commandOf(stage).isPath) continue
    if (stage.separator === '' || stage.separator === ')' || stage.separator === '}') continue
    best = better(best, injectedScore(stage, isBare && index === stages.length - 1), stage.at)
  }
  return best
}

function isFetchAndRun(stages: readonly Stage[], index: number): boolean {
  const { program, args } = commandOf(stages[index] ?? { separator: '', words: [], at: 0 })
  if (!interpreters.test(program)) return false
  const takesInput = args.every(arg => arg.startsWith('-') && !/^-[ce]$/u.test(arg))
  return takesInput && stages.slice(0, index).some(stage => fetching.has(commandOf(stage).program))
}

function fetchScore(text: string): number {
  return /https?:\/\/(?:\d{1,3}\.){3}\d{1,3}|http:\/\/(?!localhost)|\.(?:onion|xyz|top|tk)\b|(?:-k|--insecure)\s|pastebin|ngrok/iu.test(
    text,
  )
    ? 0.92
    : 0.45
}

/** `ping -c 1 ; ls`: the first command lacks what it is for, because its place was filled by a second one. */
function isNameless(stages: readonly Stage[]): boolean {
  const first = stages[0]
  if (first === undefined) return false
  const { program, args } = commandOf(first)
  return naming.has(program) && args.every(arg => /^-|^\d{1,4}$/u.test(arg))
}

/** `; cat /etc/x`, `& id`: somebody looks around behind a command of another purpose. */
function lookingScore(stage: Stage): number {
  const { program, args } = commandOf(stage)
  const isLoose = stage.separator === '&'
  const looksAround = viewing.has(program) && args.some(arg => systemPlace.test(arg) && !harmless.test(arg))
  if (looksAround && stage.separator !== '|') return isLoose ? 0.85 : 0.65
  return isLoose && (looking.has(program) || fetching.has(program)) ? 0.65 : 0
}

/** A program after a separator that makes no sense there unless somebody else wrote it. */
function judgeStage(stages: readonly Stage[], index: number): number {
  const stage = stages[index]
  if (stage === undefined || !joining.test(stage.separator)) return 0
  if (stage.separator === '|' && looking.has(commandOf(stage).program)) return 0.85
  return isNameless(stages) ? 0.82 : lookingScore(stage)
}

const uploading = /(?:-d|--data\S{0,12}|-F|-T|--upload-file|--post-file)[= ]?\S{0,24}@?|https?:\/\//u
const guarded = /\/etc\/(?:shadow|gshadow)|repair[\\/]|id_(?:rsa|ed25519)\b(?!\.pub)/iu

/** Without a command of its own, `env` prints all that the process knows. */
function tellsAll(text: string, stages: readonly Stage[]): boolean {
  const isDump = /^(?:env|printenv|set|history)$/u.test(stages[0]?.words.join(' ') ?? '')
  return isDump && stages.length > 1 && /\b(?:curl|wget|nc|ncat|netcat)\b/u.test(text)
}

/** Files of secrets that are sent somewhere, or shown. */
function judgeSecrets(text: string, stages: readonly Stage[]): number {
  if (tellsAll(text, stages)) return 0.88
  if (!secretFile.test(text)) return 0
  const commands = stages.map(commandOf)
  const sends = commands.some(
    ({ program, args }) => sending.has(program) && (program !== 'ssh' || args.length > 3),
  )
  if (sends && uploading.test(text)) return 0.9
  return guarded.test(text) && commands.some(({ program }) => viewing.has(program)) ? 0.75 : 0
}

/** A whole command: what it does counts, not that it is one. */
function judgeCommand(text: string): Verdict {
  const stages = shellStages(text, 'shell')
  let best = judgeShapes(text)
  for (let index = 1; index < stages.length; index += 1) {
    best = better(best, judgeStage(stages, index), stages[index]?.at ?? 0)
    if (isFetchAndRun(stages, index)) best = better(best, fetchScore(text), stages[index]?.at ?? 0)
  }
  if (/%0[ad]\s{0,4}[\w/]{2}/iu.test(text)) best = better(best, 0.75, text.search(/%0[ad]/iu))
  return better(best, judgeSecrets(text, stages), 0)
}

/** A statement of a program that closes what was before it and comments out what comes after. */
const brokenOut =
  /^[^'";]{0,40}['"]?\s{0,4}[;.)]{1,3}\s{0,4}\w{2,32}\s{0,4}\(.{0,200}\)\s{0,4};\s{0,4}(?:#|\/\/|\/\*)/u
const call =
  /(?:^|[^\w.])(?:system|exec|passthru|shell_exec|popen|proc_open|eval|assert|phpinfo|pcntl_exec|os\.system|subprocess\.\w{2,16}|child_process|runtime\.getruntime)\s{0,4}\(\s{0,4}(?:['"$)\\]|\w{1,32}\()|\$\{@?\w{1,32}\(|\{\$\{|__import__\s{0,4}\(/iu

/** A value that is meant to be data. */
function judgeValue(text: string): Verdict {
  const line = text
    .replaceAll(/\\[nr]|%0[ad]/giu, '\n')
    .replaceAll('${IFS}', ' ')
    .replaceAll('$IFS', ' ')
  const called = Math.max(text.search(call), text.search(brokenOut))
  const best = better(judgeShapes(line), called < 0 ? 0 : 0.85, Math.max(0, called))
  const shown = isSentence(line) ? withoutQuotedCode(line) : line
  const injected = judgeInjected(shellStages(shown, 'ignored'))
  return better(best, injected.score, injected.at)
}

function judge(text: string, role: Role): Verdict {
  if (!hint.test(text)) return nothing
  if (role === 'command') return judgeCommand(text)
  return role === 'text' ? judgeShapes(text) : judgeValue(text)
}

/** Command injection in a value, harmful commands where a whole command is expected. */
export function detectShell({ text, role, readings }: Inspection): Span {
  const isWhole = role === 'command' || text.length > longest
  const read = isWhole ? [text.slice(0, longest)] : readings()
  let best = nothing
  for (const reading of read) {
    const found = judge(reading, role)
    if (found.score > best.score) best = found
  }
  return best.score > 0 ? { score: best.score, start: best.at, end: text.length } : noSpan
}
