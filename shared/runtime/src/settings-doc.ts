import { isSectionName, sections, type SectionEntry, type SectionName } from './sections.ts'
import { entries } from './sources.ts'
import type { Setting, SettingName, SettingRole } from './settings.ts'

/** One setting as documents and checks need it. */
export interface SettingInfo extends Pick<Setting, 'env' | 'doc' | 'expects' | 'roles'> {
  /** Name in `muniment.yaml`. */
  readonly name: SettingName
  readonly isSecret: boolean
  readonly default: string | undefined
}

/** Every setting, or those that one role reads, in the order of the table. */
export function listSettings(role?: SettingRole): readonly SettingInfo[] {
  return entries
    .filter(([, { roles }]) => role === undefined || roles.includes('all') || roles.includes(role))
    .map(([name, { env, doc, expects, roles, isSecret = false, default: preset }]) => ({
      name,
      env,
      doc,
      expects,
      roles,
      isSecret,
      default: preset,
    }))
}

/** One section of `muniment.yaml` as documents and checks need it. */
export interface SectionInfo extends SectionEntry {
  readonly name: SectionName
}

/** Every section, in the order of the table. */
export function listSections(): readonly SectionInfo[] {
  return Object.keys(sections)
    .filter(isSectionName)
    .map(name => ({ name, doc: sections[name].doc, roles: sections[name].roles }))
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}

/** The tables of settings and sections as Markdown, for documents that are generated. */
export function settingsMarkdown(): string {
  const rows = listSettings().map(({ env, name, default: preset, doc, expects, roles }) => {
    const cells = [
      `\`${env}\``,
      `\`${name}\``,
      preset === undefined ? '–' : `\`${preset}\``,
      `${doc} (${expects})`,
      roles.join(', '),
    ]
    return `| ${cells.map(cell).join(' | ')} |`
  })
  return [
    '| Variable | In `muniment.yaml` | Default | Meaning | Read by |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    '| Section of `muniment.yaml` | Meaning | Read by |',
    '|---|---|---|',
    ...listSections().map(({ name, doc, roles }) => `| \`${name}\` | ${cell(doc)} | ${roles.join(', ')} |`),
    '',
  ].join('\n')
}
