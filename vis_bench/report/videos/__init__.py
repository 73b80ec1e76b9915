"""Pictures of videos and the viewer."""
