"""Why the model of an encoder cannot be had; and a subscription has another name."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE encoder ADD code text, ADD reason text")
    op.execute(
        "UPDATE delivery SET subscription = 'clusterer.compare_encoders' WHERE subscription = 'clusterer.try_encoders'"
    )


def downgrade() -> None:
    op.execute(
        "UPDATE delivery SET subscription = 'clusterer.try_encoders' WHERE subscription = 'clusterer.compare_encoders'"
    )
    op.execute("ALTER TABLE encoder DROP code, DROP reason")
