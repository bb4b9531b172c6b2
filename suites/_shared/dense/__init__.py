"""What suites of images share: camera, prepared sets on disk, tasks, augmentation, panels."""
