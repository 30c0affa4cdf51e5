from deploy.command import main

main()
