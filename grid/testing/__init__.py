"""What tests of scangrid and of its plug-ins are made with: layer and image builders, a registry, exams."""
