from django.db import migrations


class Migration(migrations.Migration):
    """Overwrites the texts of messages that were deleted before deleting did that by itself."""

    dependencies = [
        ('chat', '0004_live_connections'),
    ]

    operations = [
        migrations.RunSQL("UPDATE chat_message SET text = '' WHERE deletion IS NOT NULL", migrations.RunSQL.noop),
    ]
