"""Python imports this by itself, before a client's script, where the folder is on its path."""

import recording

recording.start()
