import { join } from 'node:path'

/** Where a person works: what decides which files a client reads. */
interface Desk {
  readonly platform: NodeJS.Platform
  readonly home: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A program that starts MCP servers from a file. */
export interface Client {
  /** The key that holds the servers. */
  readonly key: string
  /** The files that it reads, the one to change first. */
  readonly files: (desk: Desk) => readonly string[]
}

function settingsFolder({ platform, home, env }: Desk): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support')
  if (platform === 'win32') return env['APPDATA'] ?? join(home, 'AppData', 'Roaming')
  return env['XDG_CONFIG_HOME'] ?? join(home, '.config')
}

/** The clients whose configuration is known, by the name that `muniment install` takes. */
export const clients: Readonly<Record<string, Client>> = {
  claude: {
    key: 'mcpServers',
    files: desk => [
      join(settingsFolder(desk), 'Claude', 'claude_desktop_config.json'),
      join(desk.cwd, '.mcp.json'),
    ],
  },
  cursor: {
    key: 'mcpServers',
    files: ({ home, cwd }) => [join(home, '.cursor', 'mcp.json'), join(cwd, '.cursor', 'mcp.json')],
  },
  vscode: {
    key: 'servers',
    files: desk => [
      join(desk.cwd, '.vscode', 'mcp.json'),
      join(settingsFolder(desk), 'Code', 'User', 'mcp.json'),
    ],
  },
}
