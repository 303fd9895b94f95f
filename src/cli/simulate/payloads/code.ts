/** Code and what is done about it: Bitbucket, GitHub, GitLab, Jira, Linear, Trello. */
import type { Draw } from './draw.ts';
import { each, headersOf, json, type Payload, type ProviderPayloads } from './payload.ts';

type Fields = Readonly<Record<string, unknown>>;

const REPOSITORY = {
  id: 527_113_904,
  node_id: 'R_kgDOH2ojsA',
  name: 'storefront',
  full_name: 'example-org/storefront',
  private: true,
  owner: { login: 'example-org', id: 41_551_207, type: 'Organization' },
  html_url: 'https://github.com/example-org/storefront',
  default_branch: 'main',
};

function hook(draw: Draw, fields: Fields): Payload {
  const sender = { login: draw.person().first.toLowerCase(), id: draw.int(1000, 9e7), type: 'User' };
  return json(
    { ...fields, repository: REPOSITORY, organization: { login: 'example-org', id: 41_551_207 }, sender },
    headersOf({
      'User-Agent': 'GitHub-Hookshot/7c3ab1f',
      'X-GitHub-Event': draw.type,
      'X-GitHub-Delivery': draw.uuid(),
      'X-GitHub-Hook-ID': '469113702',
      'X-GitHub-Hook-Installation-Target-Type': 'repository',
    }),
  );
}

function commit(draw: Draw): Fields {
  const { name, email } = draw.person();
  const id = draw.hex(40);
  return {
    id,
    tree_id: draw.hex(40),
    distinct: true,
    message: draw.pick(['Fix the café’s opening hours ☕', 'Make the cart remember', 'Raise the timeout']),
    timestamp: draw.isoSeconds(-40),
    url: `https://github.com/example-org/storefront/commit/${id}`,
    author: { name, email, username: name.split(' ')[0]?.toLowerCase() },
    added: [],
    removed: [],
    modified: ['src/cart.ts'],
  };
}

const issue = (draw: Draw): Fields => ({
  id: draw.int(1e9, 2e9),
  number: draw.int(1, 4000),
  title: 'The cart forgets its discount',
  state: 'open',
  body: 'Steps: …',
  created_at: draw.isoSeconds(-10),
});

export const github: ProviderPayloads = {
  types: {
    push(draw) {
      const head = commit(draw);
      return hook(draw, {
        ref: 'refs/heads/main',
        before: draw.hex(40),
        after: head['id'],
        created: false,
        deleted: false,
        forced: false,
        base_ref: null,
        commits: [head],
        head_commit: head,
        pusher: head['author'],
      });
    },
    pull_request: (draw) =>
      hook(draw, {
        action: 'opened',
        number: draw.int(1, 4000),
        pull_request: {
          ...issue(draw),
          draft: false,
          head: { ref: 'fix-discount', sha: draw.hex(40) },
          base: { ref: 'main', sha: draw.hex(40) },
          merged: false,
          additions: draw.int(1, 300),
          deletions: draw.int(0, 90),
          changed_files: draw.int(1, 12),
        },
      }),
    issues: (draw) => hook(draw, { action: 'opened', issue: issue(draw) }),
    issue_comment: (draw) =>
      hook(draw, {
        action: 'created',
        issue: issue(draw),
        comment: { id: draw.int(1e9, 3e9), body: 'Seen here too.', created_at: draw.isoSeconds() },
      }),
    workflow_run: (draw) =>
      hook(draw, {
        action: 'completed',
        workflow_run: {
          id: draw.int(1e9, 9e9),
          name: 'CI',
          head_branch: 'main',
          conclusion: 'success',
          run_number: draw.int(1, 9000),
        },
      }),
    ping: (draw) =>
      hook(draw, { zen: 'Keep it logically awesome.', hook_id: 469_113_702, hook: { active: true, events: ['push'] } }),
  },
  mix: ['push', 'pull_request', 'issues', 'issue_comment', 'workflow_run'],
};

function gitlab(draw: Draw, idHeader: string): Payload {
  const kind = draw.type
    .replace(/ Hook$/, '')
    .replaceAll(' ', '_')
    .toLowerCase();
  const { name, email } = draw.person();
  const id = draw.uuid();
  const project = { id: 1507, name: 'storefront', path_with_namespace: 'example/storefront', default_branch: 'main' };
  const about: Fields =
    kind === 'push'
      ? {
          before: draw.hex(40),
          after: draw.hex(40),
          ref: 'refs/heads/main',
          total_commits_count: 1,
          commits: [
            {
              id: draw.hex(40),
              message: 'Raise the timeout',
              timestamp: draw.isoSeconds(-40),
              author: { name, email },
            },
          ],
        }
      : {
          object_attributes: {
            id: draw.int(1e6, 9e8),
            iid: draw.int(1, 900),
            state: 'opened',
            title: 'Raise the timeout',
          },
        };
  return json(
    { object_kind: kind, event_name: kind, user_name: name, project_id: 1507, project, ...about },
    headersOf({
      'User-Agent': 'GitLab/19.1.0',
      'X-Gitlab-Event': draw.type,
      'X-Gitlab-Instance': 'https://gitlab.example.com',
      'X-Gitlab-Event-UUID': draw.uuid(),
      [idHeader]: id,
    }),
  );
}

const gitlabTypes = ['Push Hook', 'Merge Request Hook', 'Issue Hook', 'Pipeline Hook', 'Note Hook'];
export const gitlabToken: ProviderPayloads = { types: each(gitlabTypes, (draw) => gitlab(draw, 'Idempotency-Key')) };
export const gitlabSigningToken: ProviderPayloads = { types: each(gitlabTypes, (draw) => gitlab(draw, 'webhook-id')) };

export const bitbucket: ProviderPayloads = {
  types: each(['repo:push', 'pullrequest:created', 'pullrequest:fulfilled', 'repo:commit_status_updated'], (draw) => {
    const { name } = draw.person();
    const about: Fields = draw.type.startsWith('pullrequest')
      ? {
          pullrequest: {
            id: draw.int(1, 900),
            title: 'Raise the timeout',
            state: 'OPEN',
            created_on: draw.isoSeconds(),
          },
        }
      : {
          push: {
            changes: [
              { new: { type: 'branch', name: 'main', target: { hash: draw.hex(40) } }, closed: false, created: false },
            ],
          },
        };
    return json(
      {
        repository: {
          type: 'repository',
          full_name: 'example/storefront',
          uuid: '{61fc5cf6-d054-47d2-b4a9-061ccf858379}',
        },
        actor: { display_name: name, type: 'user', account_id: `557058:${draw.uuid()}` },
        ...about,
      },
      headersOf({
        'User-Agent': 'Bitbucket-Webhooks/2.0',
        'X-Event-Key': draw.type,
        'X-Hook-UUID': draw.uuid(),
        'X-Request-UUID': draw.uuid(),
        'X-Attempt-Number': '1',
      }),
    );
  }),
};

export const jira: ProviderPayloads = {
  types: each(['jira:issue_created', 'jira:issue_updated', 'jira:issue_deleted', 'comment_created'], (draw) => {
    const id = draw.digits(5);
    const { name } = draw.person();
    return json(
      {
        timestamp: draw.at.getTime(),
        webhookEvent: draw.type,
        issue_event_type_name: 'issue_generic',
        user: { accountId: `5b10ac8d82e05b22cc7d4ef5`, displayName: name, active: true },
        issue: {
          id,
          key: `SHOP-${draw.int(1, 4000)}`,
          fields: {
            summary: 'The cart forgets its discount',
            status: { name: 'In Progress', id: '3' },
            priority: { name: 'Medium' },
            project: { id: '10000', key: 'SHOP' },
            updated: draw.iso().replace('Z', '+0000'),
          },
        },
        changelog: { id: draw.digits(5), items: [{ field: 'status', fromString: 'To Do', toString: 'In Progress' }] },
      },
      ['User-Agent', 'Atlassian HTTP Client', 'X-Atlassian-Webhook-Identifier', draw.uuid()],
    );
  }),
};

export const linear: ProviderPayloads = {
  types: each(['Issue.create', 'Issue.update', 'Issue.remove', 'Comment.create', 'Project.update'], (draw) => {
    const [type = 'Issue', action = 'create'] = draw.type.split('.');
    const delivery = draw.uuid();
    return json(
      {
        action,
        actor: { id: draw.uuid(), name: draw.person().name, type: 'user' },
        createdAt: draw.iso(),
        data: {
          id: draw.uuid(),
          createdAt: draw.iso(-60),
          updatedAt: draw.iso(),
          number: draw.int(1, 4000),
          title: 'The cart forgets its discount',
          priority: draw.int(0, 4),
          state: { id: draw.uuid(), name: 'In Progress', type: 'started' },
          team: { id: draw.uuid(), key: 'SHOP', name: 'Shop' },
        },
        type,
        url: `https://linear.app/example/issue/SHOP-${draw.int(1, 4000)}`,
        organizationId: draw.uuid(),
        webhookTimestamp: draw.at.getTime(),
        webhookId: draw.uuid(),
      },
      [
        'User-Agent',
        'Linear-Webhook',
        'Linear-Delivery',
        delivery,
        'Linear-Event',
        type,
        'Linear-Timestamp',
        String(draw.at.getTime()),
      ],
    );
  }),
};

export const trello: ProviderPayloads = {
  types: each(['createCard', 'updateCard', 'commentCard', 'addMemberToCard', 'updateBoard'], (draw) => {
    const board = { id: draw.hex(24), name: 'Orders', shortLink: draw.text(8) };
    return json(
      {
        model: { ...board, closed: false, url: `https://trello.com/b/${board.shortLink}` },
        action: {
          id: draw.hex(24),
          idMemberCreator: draw.hex(24),
          type: draw.type,
          date: draw.iso(),
          data: {
            board,
            card: { id: draw.hex(24), idShort: draw.int(1, 900), name: 'Order A-1', shortLink: draw.text(8) },
          },
          memberCreator: { id: draw.hex(24), fullName: draw.person().name },
        },
      },
      ['User-Agent', 'Trello Webhook'],
    );
  }),
};
