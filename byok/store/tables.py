"""
The tables, as the newest migration leaves them.

A column is added here and in a new revision under `migrations/versions`; a test
compares the two. A table says since which revision it is there.
"""

from typing import Any

import sqlalchemy as sa

SINCE = "since"
metadata = sa.MetaData()

virtual_keys = sa.Table(
    "virtual_keys",
    metadata,
    sa.Column("token_id", sa.String(32), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("pepper_id", sa.String(12), nullable=False),
    sa.Column("key_name", sa.String(16), nullable=False),
    sa.Column("key_alias", sa.String(255)),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("blocked", sa.Boolean, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("user_id", sa.String(255)),
    sa.Column("team_id", sa.String(255)),
    sa.Column("max_budget", sa.Double),
    sa.Column("soft_budget", sa.Double),
    sa.Column("budget_duration", sa.String(16)),
    sa.Column("rpm_limit", sa.BigInteger),
    sa.Column("tpm_limit", sa.BigInteger),
    sa.Column("max_parallel_requests", sa.BigInteger),
    sa.Column("permissions", sa.JSON, nullable=False),
    sa.Column("spend", sa.Double, nullable=False),
    sa.Column("previous_digest", sa.LargeBinary(32)),
    sa.Column("previous_expires_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("created_by", sa.String(255)),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("updated_by", sa.String(255)),
    sa.UniqueConstraint("digest", name="uq_virtual_keys_digest"),
    sa.UniqueConstraint("key_alias", name="uq_virtual_keys_key_alias"),
)
sa.Index("ix_virtual_keys_previous_digest", virtual_keys.c.previous_digest)
sa.Index("ix_virtual_keys_user_id", virtual_keys.c.user_id)
sa.Index("ix_virtual_keys_team_id", virtual_keys.c.team_id)
sa.Index("ix_virtual_keys_created_at", virtual_keys.c.created_at)

# How often each kind of record was changed: what other processes look at to
# learn whether what they know by heart still holds.
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("subject", sa.String(32), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
KEYS = "keys"
AUDIT = "audit"
SUBJECTS = (KEYS, AUDIT)

# What the records of decisions share; of those that have a pattern, the text is what
# fills its holes.
decision_patterns = sa.Table(
    "decision_patterns",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    info={SINCE: "0005"},
)

# What was decided about past exchanges. `number` grows by one with each; the text
# is the record, and beside it stands what is asked for often.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column(
        "number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    ),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("key_id", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("deployment", sa.String(255)),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("payer", sa.String(16)),
    sa.Column("has_shadow", sa.Boolean, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("pattern", sa.String(32)),
    sa.UniqueConstraint("id", name="uq_decisions_id"),
    info={SINCE: "0002"},
)

# What was learned about the keys that clients bring; of the key itself a digest.
provider_keys = sa.Table(
    "provider_keys",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("organization", sa.String(64)),
    sa.Column("owner", sa.String(300)),
    sa.Column("learned_at", sa.Double, nullable=False),
    sa.Column("released_by", sa.String(300)),
    sa.Column("released_at", sa.Double),
    info={SINCE: "0003"},
)
sa.Index("ix_provider_keys_learned_at", provider_keys.c.learned_at)


def _limits() -> list[sa.Column[Any]]:
    """Return what teams and users have in common with keys."""
    return [
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("max_budget", sa.Double),
        sa.Column("soft_budget", sa.Double),
        sa.Column("budget_duration", sa.String(16)),
        sa.Column("rpm_limit", sa.BigInteger),
        sa.Column("tpm_limit", sa.BigInteger),
        sa.Column("max_parallel_requests", sa.BigInteger),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.String(255)),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("updated_by", sa.String(255)),
    ]


teams = sa.Table(
    "teams",
    metadata,
    sa.Column("team_id", sa.String(255), primary_key=True),
    sa.Column("team_alias", sa.String(255)),
    *_limits(),
    sa.UniqueConstraint("team_alias", name="uq_teams_team_alias"),
    info={SINCE: "0006"},
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_id", sa.String(255), primary_key=True),
    sa.Column("user_alias", sa.String(255)),
    sa.Column("user_email", sa.String(320)),
    sa.Column("role", sa.String(16), nullable=False),
    *_limits(),
    info={SINCE: "0006"},
)
sa.Index("ix_users_user_email", users.c.user_email)

members = sa.Table(
    "members",
    metadata,
    sa.Column(
        "team_id",
        sa.String(255),
        sa.ForeignKey("teams.team_id", name="fk_members_team_id"),
        primary_key=True,
    ),
    sa.Column(
        "user_id",
        sa.String(255),
        sa.ForeignKey("users.user_id", name="fk_members_user_id"),
        primary_key=True,
    ),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("added_at", sa.Double, nullable=False),
    sa.Column("added_by", sa.String(255)),
    info={SINCE: "0006"},
)
sa.Index("ix_members_user_id", members.c.user_id)

# Who changed what. Each entry holds the hash of the one before, so none can be
# altered or taken out without all that follow showing it.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    info={SINCE: "0006"},
)

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "thinking_tokens",
    "web_searches",
)

# The ledger: one row an exchange. Written in batches, so indexes are few: one that
# makes it idempotent, and one by time.
usage = sa.Table(
    "usage",
    metadata,
    sa.Column(
        "number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    ),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("team_id", sa.Text),
    sa.Column("end_user", sa.Text),
    sa.Column("session", sa.Text),
    sa.Column("agent", sa.Text),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("upstream_model", sa.Text),
    sa.Column("deployment", sa.Text),
    sa.Column("provider", sa.Text),
    sa.Column("payer", sa.Text),
    sa.Column("credential", sa.Text),
    sa.Column("status", sa.BigInteger),
    sa.Column("ending", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("stop_reason", sa.Text),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger) for name in _TOKENS),
    sa.Column("service_tier", sa.Text),
    sa.Column("speed", sa.Text),
    sa.Column("inference_geo", sa.Text),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("raw_usage", sa.Text),
    sa.Column("price_version", sa.Text),
    sa.Column("cost_nano", sa.BigInteger, nullable=False),
    sa.Column("notional_nano", sa.BigInteger),
    sa.Column("duration_ms", sa.Double, nullable=False),
    sa.Column("first_byte_ms", sa.Double),
    sa.Column("generation", sa.Text, nullable=False),
    sa.UniqueConstraint("id", name="uq_usage_id"),
    info={SINCE: "0007"},
)
sa.Index("ix_usage_at", usage.c.at)

# What the ledger adds up to, a UTC day and group at a time; `group_id` is a digest of
# the six names, which may be long.
usage_daily = sa.Table(
    "usage_daily",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("group_id", sa.LargeBinary(16), primary_key=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("team_id", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("deployment", sa.Text),
    sa.Column("payer", sa.Text),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("estimated", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in _TOKENS),
    sa.Column("cost_nano", sa.BigInteger, nullable=False),
    sa.Column("notional_nano", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
    info={SINCE: "0007"},
)
for _whose in ("key_id", "user_id", "team_id"):
    sa.Index(f"ix_usage_daily_{_whose}", usage_daily.c[_whose], usage_daily.c.day)
