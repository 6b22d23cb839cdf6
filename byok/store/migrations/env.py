"""What Alembic runs: the revisions, over the connection that `schema` hands it."""

from alembic import context

from byok.store.tables import metadata

# The caller has begun the transaction, so that two processes that open a new
# store at once migrate it one after the other.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
