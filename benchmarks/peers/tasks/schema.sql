-- What src/schema.ts describes.
create table tasks (
  id uuid primary key default uuidv7(),
  workspace_id uuid not null,
  title text not null,
  description text not null default '',
  status text not null default 'pending',
  priority text not null default 'medium',
  mode text not null default 'code',
  environment_id uuid,
  repository text,
  branch text,
  assignee_id uuid,
  created_by uuid,
  labels text[] not null default '{}',
  due_at timestamptz,
  completed_at timestamptz,
  archived_at timestamptz,
  status_message text,
  has_changes boolean not null default false,
  pull_request jsonb,
  position double precision,
  metadata jsonb not null default '{}',
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index tasks_newest_idx on tasks (workspace_id, created_at desc, id desc);
create table access_tokens (
  token_hash text primary key,
  user_id uuid not null,
  workspace_id uuid not null
);
